/* Many clients that receive, one that asks, many that do nothing. */
#include "fan.h"
#include "web.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Of Heddle's edge protocol: the subscription is known to all nodes. */
#define READY 80

static size_t size;
static int is_edge;

struct seen {
    int64_t messages;
    int ready;
};

static void look (void *context, const unsigned char *payload, size_t length)
{
    struct seen *seen = context;
    if (is_edge && !seen->ready)
        seen->ready = web_has_record (payload, length, READY);
    seen->messages += web_count (payload, length, size, is_edge);
}

static struct web_client *open_all (int64_t count)
{
    size_t hello_size;
    unsigned char *hello = web_bytes ("hello", &hello_size);
    struct web_client *clients = calloc (count, sizeof *clients);
    is_edge = strcmp (arg_text ("dialect"), "edge") == 0;
    for (int64_t i = 0; i < count; i++) {
        struct seen seen = {0, !is_edge};
        web_open (&clients[i], arg_text ("endpoint"), arg_text ("protocol"));
        if (hello_size > 0)
            web_send (&clients[i], hello, hello_size);
        while (!seen.ready)
            if (!web_read (&clients[i], look, &seen))
                fail ("a client was closed");
    }
    return clients;
}

void web_fan_receive (void)
{
    int64_t subscribers = arg_number ("subscribers");
    int queue = epoll_create1 (0);
    size = arg_number ("size");
    fan_init ();
    struct web_client *clients = open_all (subscribers);
    for (int i = 0; i < subscribers; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl (queue, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    fan_ready ();
    say ("{\"ready\":\"\"}");
    while (!fan_done ()) {
        struct epoll_event events[256];
        int ready = epoll_wait (queue, events, 256, 10000);
        if (ready <= 0)
            break;
        for (int k = 0; k < ready; k++) {
            int i = events[k].data.u32;
            struct seen seen = {0, 1};
            if (!web_read (&clients[i], look, &seen)) {
                say ("{\"error\":\"client %d was closed\"}", i);
                exit (1);
            }
            if (seen.messages > 0)
                fan_count (i, seen.messages);
        }
    }
    fan_report ();
    wait_for_parent ();
}

static void arrived (void *context, const unsigned char *payload, size_t length)
{
    (void) payload;
    (void) length;
    ++*(int *) context;
}

void web_request (void)
{
    int64_t warm = arg_number ("warm"), count = arg_number ("count"), start = 0;
    size_t request_size;
    unsigned char *request = web_bytes ("request", &request_size);
    uint32_t *samples = malloc (count * sizeof *samples);
    struct web_client *client = open_all (1);
    for (int64_t i = -warm; i < count; i++) {
        int64_t before = now_ns ();
        int answers = 0;
        if (i == 0)
            start = before;
        web_send (client, request, request_size);
        while (answers == 0)
            if (!web_read (client, arrived, &answers))
                fail ("the connection was closed");
        if (i >= 0)
            samples[i] = now_ns () - before;
    }
    say_latency (samples, count, now_ns () - start);
    wait_for_parent ();
}

void web_clients (void)
{
    struct web_client *clients = open_all (arg_number ("connections"));
    char c;
    say ("{\"ready\":\"\"}");
    /* A line asks whether all are still there. */
    while (read (0, &c, 1) > 0) {
        int lost = 0;
        if (c != '\n')
            continue;
        for (int64_t i = 0; i < arg_number ("connections"); i++) {
            struct pollfd item = {clients[i].fd, POLLIN, 0};
            int answers = 0;
            while (poll (&item, 1, 0) > 0)
                if (!web_read (&clients[i], arrived, &answers)) {
                    lost++;
                    break;
                }
        }
        say ("{\"result\":{\"lost\":%d}}", lost);
    }
    _exit (0);
}
