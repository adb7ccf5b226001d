/* WebSocket clients, as few instructions as they need: what is measured is the server. */
#ifndef HEDDLE_BENCH_WEB_H
#define HEDDLE_BENCH_WEB_H

#include "bench.h"

struct web_client {
    int fd;
    /* Bytes of a frame that is not whole. */
    unsigned char *rest;
    size_t rest_size;
};

/* Called for each whole message. */
typedef void web_message (void *context, const unsigned char *payload, size_t size);

/* Connects to ws://a.b.c.d:port and waits for the answer; `protocol` may be empty. */
void web_open (struct web_client *client, const char *endpoint, const char *protocol);
/* A binary message. */
void web_send (struct web_client *client, const unsigned char *payload, size_t size);
/* Reads once, waiting if there is nothing. 0 = the server has closed the connection. */
int web_read (struct web_client *client, web_message *message, void *context);
/* The argument `name`, hexadecimal digits, as bytes. */
unsigned char *web_bytes (const char *name, size_t *size);
/* How many messages with a payload of `size` bytes it holds: itself one, or those of the DATA records of Heddle's edge protocol. */
int64_t web_count (const unsigned char *payload, size_t length, size_t size, int is_edge);
/* Whether a record of this type is in it. */
int web_has_record (const unsigned char *payload, size_t length, unsigned char type);

void web_fan_receive (void);
void web_request (void);
void web_clients (void);

#endif
