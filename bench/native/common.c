#include "common.h"

#include <stdio.h>
#include <stdlib.h>

void fail(const char *what, const char *why) {
  fprintf(stderr, "load: %s: %s\n", what, why);
  exit(1);
}

int check(int result, const char *what) {
  if (result < 0) fail(what, zmq_strerror(zmq_errno()));
  return result;
}

void *dealer(void *context) {
  int none = 0;
  void *socket = zmq_socket(context, ZMQ_DEALER);
  check(zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none), "ZMQ_SNDHWM");
  check(zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none), "ZMQ_RCVHWM");
  check(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none), "ZMQ_LINGER");
  return socket;
}

int receive(void *socket, zmq_msg_t frames[MAX_FRAMES]) {
  for (int count = 0;;) {
    if (count == MAX_FRAMES) fail("receive", "too many frames in a message");
    zmq_msg_init(&frames[count]);
    if (zmq_msg_recv(&frames[count], socket, 0) < 0) {
      release(frames, count);
      return -1;
    }
    if (!zmq_msg_more(&frames[count++])) return count;
  }
}

void release(zmq_msg_t *frames, int count) {
  for (int i = 0; i < count; i++) zmq_msg_close(&frames[i]);
}
