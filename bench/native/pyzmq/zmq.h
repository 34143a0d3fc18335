/*
 * The few functions of libzmq's stable C interface that the bench uses, for the libzmq inside a pyzmq wheel, which
 * comes without a header. Names, numbers and types are those of zmq.h 4.3 (https://libzmq.readthedocs.io).
 */
#ifndef REXEC_BENCH_ZMQ_H
#define REXEC_BENCH_ZMQ_H

#include <errno.h>
#include <stddef.h>

#define ZMQ_DEALER 5
#define ZMQ_ROUTER 6
#define ZMQ_ROUTING_ID 5
#define ZMQ_LINGER 17
#define ZMQ_SNDHWM 23
#define ZMQ_RCVHWM 24
#define ZMQ_RCVTIMEO 27
#define ZMQ_LAST_ENDPOINT 32
#define ZMQ_SNDMORE 2

typedef struct zmq_msg_t {
  _Alignas(void *) unsigned char _[64];
} zmq_msg_t;

void zmq_version(int *major, int *minor, int *patch);
int zmq_errno(void);
const char *zmq_strerror(int number);

void *zmq_ctx_new(void);
int zmq_ctx_shutdown(void *context);
int zmq_ctx_term(void *context);

void *zmq_socket(void *context, int type);
int zmq_close(void *socket);
int zmq_setsockopt(void *socket, int option, const void *value, size_t size);
int zmq_getsockopt(void *socket, int option, void *value, size_t *size);
int zmq_bind(void *socket, const char *address);
int zmq_connect(void *socket, const char *address);
int zmq_send(void *socket, const void *bytes, size_t size, int flags);
int zmq_send_const(void *socket, const void *bytes, size_t size, int flags);
int zmq_proxy(void *frontend, void *backend, void *capture);

int zmq_msg_init(zmq_msg_t *message);
int zmq_msg_recv(zmq_msg_t *message, void *socket, int flags);
int zmq_msg_send(zmq_msg_t *message, void *socket, int flags);
int zmq_msg_move(zmq_msg_t *target, zmq_msg_t *source);
int zmq_msg_close(zmq_msg_t *message);
int zmq_msg_more(const zmq_msg_t *message);
void *zmq_msg_data(zmq_msg_t *message);
size_t zmq_msg_size(const zmq_msg_t *message);

#endif
