/* What the load generator's client and servers share. */
#ifndef REXEC_BENCH_COMMON_H
#define REXEC_BENCH_COMMON_H

#include <stddef.h>
#include <zmq.h>

enum { MAX_FRAMES = 8, MAX_SECRET = 16384 };

/* Of a server thread. */
struct server {
  void *context;
  const char *address;
  char credential[MAX_SECRET];
};

/* The servers' threads: they end when the context is shut down. */
void *echo_server(void *server);
void *rexec_server(void *server);

/* Ends the program with a sentence on stderr. */
_Noreturn void fail(const char *what, const char *why);

/* Ends the program when a call of libzmq did not succeed; gives its result otherwise. */
int check(int result, const char *what);

/* A DEALER without limits on queued messages. */
void *dealer(void *context);

/* Receives a whole message; gives the number of its frames, or -1 at a time-out or when the context ends. */
int receive(void *socket, zmq_msg_t frames[MAX_FRAMES]);

/* Closes frames that are not sent on. */
void release(zmq_msg_t *frames, int count);

#endif
