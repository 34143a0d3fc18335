/*
 * The server for plain brokers: gives back the envelope, the empty frame and the last frame (the arguments).
 */
#include "common.h"

void *echo_server(void *argument) {
  struct server *server = argument;
  zmq_msg_t frames[MAX_FRAMES];
  void *socket = dealer(server->context);
  /* The name under which the ROUTER/ROUTER brokers send to it; zmq_proxy does not look at it. */
  check(zmq_setsockopt(socket, ZMQ_ROUTING_ID, "alice", 5), "ZMQ_ROUTING_ID");
  check(zmq_connect(socket, server->address), server->address);
  for (int count; (count = receive(socket, frames)) > 0;) {
    int delimiter = 0;
    while (delimiter < count - 2 && zmq_msg_size(&frames[delimiter]) != 0) delimiter++;
    for (int i = 0; i <= delimiter; i++) check(zmq_msg_send(&frames[i], socket, ZMQ_SNDMORE), "send");
    release(frames + delimiter + 1, count - delimiter - 2);
    check(zmq_msg_send(&frames[count - 1], socket, 0), "send");
  }
  zmq_close(socket);
  return NULL;
}
