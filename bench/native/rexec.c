/*
 * The server for the rexec broker: docs/protocol.md, section 3. It answers a call with its arguments, once it has
 * them whole (a function could not begin earlier).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

enum {
  MAX_CALLS = 256,     /* its concurrency: as much as a server may announce */
  MAX_PART = 1 << 20,  /* bytes of a chunk */
  MAX_CHUNKS = 1024,   /* of one call */
  MAX_CALL_ID = 32
};

#define READY_INFO "{\"concurrency\":256,\"state\":\"ready\"}"

/* A streamed call that has not yet arrived whole. */
struct call {
  char id[MAX_CALL_ID];
  size_t id_size; /* 0: this place is free */
  int frame;      /* the frame that arrives: 0 the function, 1 the arguments */
  size_t missing; /* bytes of it */
  size_t size;    /* of the arguments */
  int chunk_count;
  zmq_msg_t chunks[MAX_CHUNKS];
};

static struct call calls[MAX_CALLS];

static int is(zmq_msg_t *frame, const char *text) {
  return zmq_msg_size(frame) == strlen(text) && memcmp(zmq_msg_data(frame), text, strlen(text)) == 0;
}

static void send_text(void *socket, const char *text, int flags) {
  check(zmq_send(socket, text, strlen(text), flags), "send");
}

static struct call *find(zmq_msg_t *id) {
  for (struct call *call = calls; call < calls + MAX_CALLS; call++)
    if (call->id_size == zmq_msg_size(id) && memcmp(call->id, zmq_msg_data(id), call->id_size) == 0) return call;
  return NULL;
}

static void begin(zmq_msg_t *id) {
  struct call *call = calls;
  while (call->id_size != 0)
    if (++call == calls + MAX_CALLS) fail("CALL", "more calls than the concurrency that was announced");
  if (zmq_msg_size(id) == 0 || zmq_msg_size(id) > MAX_CALL_ID) fail("CALL", "a callId must have 1 to 32 bytes");
  call->id_size = zmq_msg_size(id);
  memcpy(call->id, zmq_msg_data(id), call->id_size);
  call->frame = 0;
  call->missing = 0;
  call->chunk_count = 0;
}

/* EVENT final, whole. Takes the frames over. */
static void answer_whole(void *socket, zmq_msg_t *id, zmq_msg_t *payload) {
  send_text(socket, "EVENT", ZMQ_SNDMORE);
  check(zmq_msg_send(id, socket, ZMQ_SNDMORE), "send");
  send_text(socket, "final", ZMQ_SNDMORE);
  check(zmq_msg_send(payload, socket, 0), "send");
}

/* EVENT final, streamed: the arguments' chunks go back as they came. Frees the call's place. */
static void answer_streamed(void *socket, struct call *call) {
  char size[24];
  snprintf(size, sizeof size, "%zu", call->size);
  send_text(socket, "EVENT", ZMQ_SNDMORE);
  check(zmq_send(socket, call->id, call->id_size, ZMQ_SNDMORE), "send");
  send_text(socket, "final", 0);
  for (int i = 0; i < call->chunk_count; i++) {
    send_text(socket, i == 0 ? "FRAME" : "PART", ZMQ_SNDMORE);
    check(zmq_send(socket, call->id, call->id_size, ZMQ_SNDMORE), "send");
    if (i == 0) send_text(socket, size, ZMQ_SNDMORE);
    check(zmq_msg_send(&call->chunks[i], socket, 0), "send");
  }
  call->id_size = 0;
}

/* A chunk of a streamed call: kept when it is of the arguments. Takes the frame over. */
static void add(void *socket, struct call *call, zmq_msg_t *chunk) {
  size_t size = zmq_msg_size(chunk);
  if (size > MAX_PART || size > call->missing) fail("PART", "more bytes than announced");
  call->missing -= size;
  if (call->frame == 0) {
    zmq_msg_close(chunk);
  } else {
    if (call->chunk_count == MAX_CHUNKS) fail("PART", "too many chunks");
    zmq_msg_init(&call->chunks[call->chunk_count]);
    zmq_msg_move(&call->chunks[call->chunk_count++], chunk);
  }
  if (call->missing > 0) return;
  if (call->frame == 1) answer_streamed(socket, call);
  else call->frame = 1;
}

static void frame_begins(void *socket, struct call *call, zmq_msg_t *size, zmq_msg_t *chunk) {
  char text[24] = "";
  if (zmq_msg_size(size) >= sizeof text) fail("FRAME", "a size must be a decimal number");
  memcpy(text, zmq_msg_data(size), zmq_msg_size(size));
  call->missing = strtoull(text, NULL, 10);
  call->size = call->missing;
  add(socket, call, chunk);
}

/* One message of the broker. Every frame is sent on or released. */
static void handle(void *socket, zmq_msg_t *frames, int count) {
  zmq_msg_t *verb = &frames[0];
  if (is(verb, "CALL") && count == 4) {
    answer_whole(socket, &frames[1], &frames[3]);
    zmq_msg_close(&frames[2]);
  } else if (is(verb, "CALL") && count == 2) {
    begin(&frames[1]);
    zmq_msg_close(&frames[1]);
  } else if ((is(verb, "FRAME") && count == 4) || (is(verb, "PART") && count == 3)) {
    struct call *call = find(&frames[1]);
    if (call == NULL) fail("PART", "of a call that was not given");
    if (count == 4) frame_begins(socket, call, &frames[2], &frames[3]);
    else add(socket, call, &frames[2]);
    release(frames + 1, count - 2);
  } else if (is(verb, "HEARTBEAT") && count == 1) {
    send_text(socket, "HEARTBEAT", 0);
  } else if (is(verb, "WELCOME") && count == 2) {
    zmq_msg_close(&frames[1]);
  } else if (is(verb, "REFUSED") && count == 3) {
    fprintf(stderr, "%.*s\n", (int)zmq_msg_size(&frames[2]), (char *)zmq_msg_data(&frames[2]));
    fail("READY", "the broker refused the server");
  } else {
    fprintf(stderr, "%.*s with %d frames\n", (int)zmq_msg_size(verb), (char *)zmq_msg_data(verb), count);
    fail("server", "a message that docs/protocol.md does not know");
  }
  zmq_msg_close(verb);
}

void *rexec_server(void *argument) {
  struct server *server = argument;
  zmq_msg_t frames[MAX_FRAMES];
  void *socket = dealer(server->context);
  check(zmq_connect(socket, server->address), server->address);
  send_text(socket, "READY", ZMQ_SNDMORE);
  send_text(socket, "1", ZMQ_SNDMORE);
  send_text(socket, server->credential, ZMQ_SNDMORE);
  send_text(socket, READY_INFO, 0);
  for (int count; (count = receive(socket, frames)) > 0;) handle(socket, frames, count);
  zmq_close(socket);
  return NULL;
}
