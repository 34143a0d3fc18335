/*
 * The peer that marks the limit: libzmq's own zmq_proxy between a ROUTER (clients) and a DEALER (servers). It proves
 * nobody, routes nothing and bounds nothing.
 *
 * Binds two free ports on loopback, says where on stdout as one line of JSON, and runs until it is ended.
 */
#include <stdio.h>
#include <stdlib.h>

#include <zmq.h>

static void *listener(void *context, int type, char *address, size_t size) {
  int unlimited = 0;
  void *socket = zmq_socket(context, type);
  zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
  zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
  if (zmq_bind(socket, "tcp://127.0.0.1:*") != 0 ||
      zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &size) != 0) {
    fprintf(stderr, "proxy: %s\n", zmq_strerror(zmq_errno()));
    exit(1);
  }
  return socket;
}

int main(void) {
  char clients[64], servers[64];
  int major, minor, patch;
  void *context = zmq_ctx_new();
  void *frontend = listener(context, ZMQ_ROUTER, clients, sizeof clients);
  void *backend = listener(context, ZMQ_DEALER, servers, sizeof servers);
  zmq_version(&major, &minor, &patch);
  printf("{\"client\":\"%s\",\"server\":\"%s\",\"libzmq\":\"%d.%d.%d\"}\n", clients, servers, major, minor, patch);
  fflush(stdout);
  return zmq_proxy(frontend, backend, NULL);
}
