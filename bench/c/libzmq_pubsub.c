/* Fan-out and subjects. Before a measure the publisher says "~" again and again until every subscriber has heard it
 * (no slow joiner); within one, the control channel keeps what is in flight below the high-water mark (no drops). */
#include "fan.h"
#include "libzmq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

static int control;

static void *open_publisher (void)
{
    char unused[256];
    int listener = listen_on (arg_text ("control"), unused, sizeof unused);
    void *pub = new_socket (new_context (), ZMQ_PUB, arg_number ("hwm"));
    bind_and_say (pub, arg_text ("endpoint"));
    control = accept (listener, NULL, NULL);
    do
        send_bytes (pub, "~", 1);
    while (control_receive (control, 20) < 0);
    return pub;
}

/* Publishes messages `from` to `to` and waits until all subscribers have them; 0 when they fell silent. */
static int fan (void *pub, const char *payload, size_t size, int64_t from, int64_t to, int64_t *sent)
{
    int64_t window = arg_number ("window"), heard = from;
    for (*sent = from; heard < to;) {
        while (*sent < to && *sent - heard < window) {
            send_bytes (pub, payload, size);
            ++*sent;
        }
        int64_t value = control_receive (control, 5000);
        if (value < 0)
            return 0;
        heard = value;
    }
    return 1;
}

void zmq_fan_send (void)
{
    size_t size = arg_number ("size");
    int64_t warm = arg_number ("warm"), sent;
    char *payload = malloc (size);
    memset (payload, 'x', size);
    void *pub = open_publisher ();
    int whole = fan (pub, payload, size, 0, warm, &sent);
    int64_t cpu = cpu_us ();
    whole = whole && fan (pub, payload, size, warm, warm + arg_number ("count"), &sent);
    say ("{\"result\":{\"sent\":%lld,\"cpu\":%lld,\"stalled\":%d}}", (long long) sent, (long long) (cpu_us () - cpu),
         !whole);
    wait_for_parent ();
}

void zmq_fan_receive (void)
{
    size_t size = arg_number ("size");
    int subscribers = arg_number ("subscribers"), ready = 0;
    void *context = new_context ();
    /* The last item is our stdin: its end asks for what there is. */
    zmq_pollitem_t *items = calloc (subscribers + 1, sizeof *items);
    char *heard = calloc (subscribers, 1);
    fan_init ();
    for (int i = 0; i < subscribers; i++) {
        items[i].socket = new_socket (context, ZMQ_SUB, arg_number ("hwm"));
        items[i].events = ZMQ_POLLIN;
        check (zmq_setsockopt (items[i].socket, ZMQ_SUBSCRIBE, "", 0), "ZMQ_SUBSCRIBE");
        check (zmq_connect (items[i].socket, arg_text ("endpoint")), "zmq_connect");
    }
    items[subscribers].events = ZMQ_POLLIN;
    say ("{\"ready\":\"\"}");
    while (!fan_done ()) {
        check (zmq_poll (items, subscribers + 1, -1), "zmq_poll");
        if (items[subscribers].revents)
            break;
        for (int i = 0; i < subscribers; i++) {
            int64_t count = 0;
            /* Draining up to a hundred at a time makes zmq_poll, which looks at every socket, cheap. */
            for (int k = 0; k < 100 && items[i].revents; k++) {
                zmq_msg_t message;
                zmq_msg_init (&message);
                if (zmq_msg_recv (&message, items[i].socket, ZMQ_DONTWAIT) < 0)
                    break;
                if (zmq_msg_size (&message) == size)
                    count++;
                else if (!heard[i]) {
                    heard[i] = 1;
                    if (++ready == subscribers)
                        fan_ready ();
                }
                zmq_msg_close (&message);
            }
            if (count > 0)
                fan_count (i, count);
        }
    }
    fan_report ();
    wait_for_parent ();
}

/* The same topics as bench/workers/topics.ts: ids of equal length, so that none is a prefix of another. Subscriptions
 * have even ids and what nobody wants odd ones: neighbours, that only the last character tells apart. */
static int topic (char *to, size_t size, int64_t index, int wanted)
{
    static const char *regions[8] = {"af", "as", "au", "ca", "eu", "na", "sa", "us"};
    return snprintf (to, size, "orders.%s.%08lld", regions[index & 7], (long long) (2 * index + !wanted));
}

static int64_t random_below (int64_t limit)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % limit;
}

/* `count` random topics of `topics`, all of one `length`; free them. */
static char (*random_topics (int64_t topics, int64_t count, int wanted, int *length))[32]
{
    char (*names)[32] = malloc (count * sizeof *names);
    for (int64_t i = 0; i < count; i++)
        *length = topic (names[i], sizeof names[i], random_below (topics), wanted);
    return names;
}

/* Nanoseconds for each publish of `count` topics with delivery; `base` were received before. */
static double publish_wanted (void *pub, int64_t topics, int64_t count, uint32_t base)
{
    int length;
    int64_t window = arg_number ("window"), sent = 0, heard = 0;
    char (*names)[32] = random_topics (topics, count, 1, &length);
    int64_t start = now_ns ();
    while (heard < count) {
        while (sent < count && sent - heard < window)
            send_bytes (pub, names[sent++], length);
        int64_t value = control_receive (control, 5000);
        if (value < 0)
            fail ("no word from the subscribers");
        heard = (uint32_t) value - base;
    }
    double each = (double) (now_ns () - start) / count;
    free (names);
    return each;
}

/* The same for topics that nobody has subscribed to: again and again for a tenth of a second at least. */
static double publish_unwanted (void *pub, int64_t topics, int64_t count)
{
    int length;
    int64_t passes = 0, start, elapsed;
    char (*names)[32] = random_topics (topics, count, 0, &length);
    start = now_ns ();
    do {
        for (int64_t i = 0; i < count; i++)
            send_bytes (pub, names[i], length);
        passes++;
        elapsed = now_ns () - start;
    } while (elapsed < 100000000);
    free (names);
    return (double) elapsed / (passes * count);
}

void zmq_subjects_send (void)
{
    int64_t topics = arg_number ("topics");
    void *pub = open_publisher ();
    uint32_t base = 0;
    char line[64];
    say ("{\"result\":{}}");
    /* One line on stdin is the number of messages for one round. */
    while (fgets (line, sizeof line, stdin)) {
        int64_t count = strtoll (line, NULL, 10);
        double wanted = publish_wanted (pub, topics, count, base);
        base += count;
        double unwanted = publish_unwanted (pub, topics, count);
        say ("{\"result\":{\"wanted\":%.3f,\"unwanted\":%.3f}}", wanted, unwanted);
    }
    _exit (0);
}

void zmq_subjects_receive (void)
{
    int64_t topics = arg_number ("topics");
    int subscribers = arg_number ("subscribers"), ready = 0, step = arg_number ("step");
    uint32_t received = 0;
    char name[32];
    void *context = new_context ();
    zmq_pollitem_t *items = calloc (subscribers, sizeof *items);
    char *heard = calloc (subscribers, 1);
    int talk = connect_to (arg_text ("control"));
    for (int i = 0; i < subscribers; i++) {
        int unlimited = 0;
        items[i].socket = new_socket (context, ZMQ_SUB, arg_number ("hwm"));
        items[i].events = ZMQ_POLLIN;
        /* Subscriptions travel through the same queue and are dropped when it is full. */
        check (zmq_setsockopt (items[i].socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited), "ZMQ_SNDHWM");
        check (zmq_connect (items[i].socket, arg_text ("endpoint")), "zmq_connect");
        for (int64_t id = i; id < topics; id += subscribers)
            check (zmq_setsockopt (items[i].socket, ZMQ_SUBSCRIBE, name, topic (name, sizeof name, id, 1)), "ZMQ_SUBSCRIBE");
        /* Last, so that whoever hears it has subscribed to everything. */
        check (zmq_setsockopt (items[i].socket, ZMQ_SUBSCRIBE, "~", 1), "ZMQ_SUBSCRIBE");
    }
    say ("{\"ready\":\"\"}");
    for (;;) {
        check (zmq_poll (items, subscribers, -1), "zmq_poll");
        for (int i = 0; i < subscribers; i++)
            for (int k = 0; k < 100 && items[i].revents; k++) {
                zmq_msg_t message;
                zmq_msg_init (&message);
                if (zmq_msg_recv (&message, items[i].socket, ZMQ_DONTWAIT) < 0)
                    break;
                if (zmq_msg_size (&message) > 1) {
                    if (++received % step == 0)
                        control_send (talk, received);
                } else if (!heard[i]) {
                    heard[i] = 1;
                    if (++ready == subscribers)
                        control_send (talk, 0);
                }
                zmq_msg_close (&message);
            }
    }
}
