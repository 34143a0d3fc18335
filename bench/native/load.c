/*
 * Load generator for a broker: one client and one server in one process, each a DEALER socket on a thread of its own.
 *
 *   load echo|rexec CLIENT_ADDRESS SERVER_ADDRESS BYTES WINDOW WARM_UP DURATION < SECRETS
 *
 * The client keeps WINDOW calls ["", token, function, arguments of BYTES] on their way; the server (echo.c, rexec.c)
 * answers each with its arguments. Calls are begun for DURATION milliseconds, after WARM_UP milliseconds that do not
 * count; the clock runs until the last one is answered.
 * SECRETS are the token and (rexec) the server credential, a line each: a process list shows neither.
 *
 * The result is a line of JSON on stdout: numbers of calls, seconds, and at WINDOW 1 the microseconds of single calls.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common.h"

enum {
  FUNCTION = 300,         /* bytes: what dill makes of a short function */
  KNOCK = 64,             /* bytes */
  KNOCK_SECONDS = 10,     /* at most, until the server is there */
  KNOCK_PAUSE = 20000000, /* nanoseconds */
  KNOCK_TIMEOUT = 100,    /* milliseconds */
  ANSWER_TIMEOUT = 60000, /* milliseconds */
  MAX_LATENCIES = 1 << 20
};

struct client {
  void *socket;
  char token[MAX_SECRET];
  char function[FUNCTION];
  char *arguments;
  size_t size;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void timeout(struct client *client, int milliseconds) {
  check(zmq_setsockopt(client->socket, ZMQ_RCVTIMEO, &milliseconds, sizeof milliseconds), "ZMQ_RCVTIMEO");
}

/* Constant bytes: libzmq sends them from where they are, so that the load costs little beside the broker. */
static void call(struct client *client) {
  check(zmq_send_const(client->socket, "", 0, ZMQ_SNDMORE), "send");
  check(zmq_send_const(client->socket, client->token, strlen(client->token), ZMQ_SNDMORE), "send");
  check(zmq_send_const(client->socket, client->function, FUNCTION, ZMQ_SNDMORE), "send");
  check(zmq_send_const(client->socket, client->arguments, client->size, 0), "send");
}

/* Whether an answer came before the time-out and is the call's arguments. */
static int answered(struct client *client) {
  zmq_msg_t frames[MAX_FRAMES];
  int count = receive(client->socket, frames);
  if (count < 0) return 0;
  int good = zmq_msg_size(&frames[count - 1]) == client->size;
  release(frames, count);
  return good;
}

/*
 * Makes small calls until the server answers, then takes in the answers that still come: some brokers keep calls for
 * a server that is not there yet, others drop or refuse them.
 */
static void knock(struct client *client) {
  const struct timespec pause = {.tv_nsec = KNOCK_PAUSE};
  double end = now() + KNOCK_SECONDS;
  size_t size = client->size;
  client->size = size < KNOCK ? size : KNOCK;
  timeout(client, KNOCK_TIMEOUT);
  for (call(client); !answered(client); call(client)) {
    if (now() > end) fail("client", "no answer: the server did not reach the broker");
    nanosleep(&pause, NULL);
  }
  while (answered(client)) continue;
  timeout(client, ANSWER_TIMEOUT);
  client->size = size;
}

/*
 * Makes calls for so many milliseconds, `window` at a time; gives their number when all are answered. `took`, if
 * there, gets the seconds of each of the first MAX_LATENCIES.
 */
static int run(struct client *client, int window, int milliseconds, double *took) {
  int sent = 0, got = 0;
  double begin = now(), end = begin + milliseconds / 1e3;
  do {
    while (begin < end && sent - got < window) call(client), sent++;
    if (sent == got) break;
    if (!answered(client)) fail("client", "an answer is wrong or does not come");
    double done = now();
    if (took && got < MAX_LATENCIES) took[got] = done - begin;
    begin = done;
  } while (++got);
  return got;
}

static int ascending(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

/* Reads a line of stdin without its end. */
static void secret(char target[MAX_SECRET]) {
  if (fgets(target, MAX_SECRET, stdin) == NULL) fail("stdin", "a line with a secret is missing");
  target[strcspn(target, "\n")] = '\0';
}

int main(int count, char **arguments) {
  if (count != 8) fail("usage", "echo|rexec CLIENT_ADDRESS SERVER_ADDRESS BYTES WINDOW WARM_UP DURATION");
  int rexec = strcmp(arguments[1], "rexec") == 0;
  int window = atoi(arguments[5]), warm_up = atoi(arguments[6]), duration = atoi(arguments[7]);
  static struct client client;
  static struct server server;
  pthread_t thread;

  client.size = strtoull(arguments[4], NULL, 10);
  client.arguments = malloc(client.size);
  memset(client.arguments, 7, client.size);
  memset(client.function, 1, FUNCTION);
  secret(client.token);
  if (rexec) secret(server.credential);

  server.context = zmq_ctx_new();
  server.address = arguments[3];
  client.socket = dealer(server.context);
  check(zmq_connect(client.socket, arguments[2]), arguments[2]);
  pthread_create(&thread, NULL, rexec ? rexec_server : echo_server, &server);

  knock(&client);
  int before = run(&client, window, warm_up, NULL);
  double *took = window == 1 ? calloc(MAX_LATENCIES, sizeof *took) : NULL;
  double begin = now();
  int calls = run(&client, window, duration, took);
  printf("{\"warmUp\":%d,\"calls\":%d,\"seconds\":%.6f", before, calls, now() - begin);
  if (took) {
    int count = calls < MAX_LATENCIES ? calls : MAX_LATENCIES;
    qsort(took, count, sizeof *took, ascending);
    printf(",\"median\":%.1f,\"p95\":%.1f", took[count / 2] * 1e6, took[count * 95 / 100] * 1e6);
  }
  printf("}\n");

  zmq_close(client.socket);
  zmq_ctx_shutdown(server.context);
  pthread_join(thread, NULL);
  zmq_ctx_term(server.context);
  return 0;
}
