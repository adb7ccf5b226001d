/* The floor for fan-out: the same full buffers written to every subscriber's socket in turn. */
#include "fan.h"
#include "raw.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int accept_on (int listener)
{
    int fd = accept (listener, NULL, NULL);
    if (fd < 0)
        fail ("accept");
    return fd;
}

static int control;

/* Writes `count` frames to each subscriber, then waits until all have them; `heard` is where that will be. */
static void fan (const int *fds, int subscribers, const unsigned char *chunk, size_t frame, int64_t frames,
                 int64_t count, int64_t heard)
{
    int64_t value = 0, word;
    for (int64_t left = count; left > 0;) {
        int64_t n = left < frames ? left : frames;
        for (int i = 0; i < subscribers; i++)
            write_all (fds[i], chunk, n * frame);
        left -= n;
        /* Read along, or the receiver could not write any more and would stop reading. */
        if ((word = control_receive (control, 0)) >= 0)
            value = word;
    }
    while (value < heard)
        if ((value = control_receive (control, 5000)) < 0)
            fail ("no word from the receiver");
}

void raw_fan_send (void)
{
    size_t size = arg_number ("size");
    int64_t subscribers = arg_number ("subscribers"), warm = arg_number ("warm"), total = warm + arg_number ("count");
    char actual[256], unused[256];
    signal (SIGPIPE, SIG_IGN);
    int control_listener = listen_on (arg_text ("control"), unused, sizeof unused);
    int listener = listen_on (arg_text ("endpoint"), actual, sizeof actual);
    say ("{\"ready\":\"%s\"}", actual);
    control = accept_on (control_listener);
    int *fds = malloc (subscribers * sizeof *fds);
    for (int i = 0; i < subscribers; i++)
        fds[i] = accept_on (listener);
    unsigned char *chunk = malloc (RAW_CHUNK + size + 9);
    size_t frame = put_frame (chunk, size);
    int64_t frames = frame > RAW_CHUNK ? 1 : RAW_CHUNK / frame;
    for (int64_t i = 1; i < frames; i++)
        put_frame (chunk + i * frame, size);
    fan (fds, subscribers, chunk, frame, frames, warm, warm);
    int64_t cpu = cpu_us ();
    fan (fds, subscribers, chunk, frame, frames, total - warm, total);
    say ("{\"result\":{\"sent\":%lld,\"cpu\":%lld,\"stalled\":0}}", (long long) total,
         (long long) (cpu_us () - cpu));
    wait_for_parent ();
}

void raw_fan_receive (void)
{
    int64_t subscribers = arg_number ("subscribers");
    int queue = epoll_create1 (0);
    int *fds = malloc (subscribers * sizeof *fds);
    struct walker *walkers = calloc (subscribers, sizeof *walkers);
    static unsigned char chunk[RAW_CHUNK];
    fan_init ();
    for (int i = 0; i < subscribers; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        walkers[i].size = arg_number ("size");
        fds[i] = connect_to (arg_text ("endpoint"));
        epoll_ctl (queue, EPOLL_CTL_ADD, fds[i], &event);
    }
    fan_ready ();
    say ("{\"ready\":\"\"}");
    while (!fan_done ()) {
        struct epoll_event events[64];
        int ready = epoll_wait (queue, events, 64, 10000);
        if (ready <= 0)
            break;
        for (int k = 0; k < ready; k++) {
            int i = events[k].data.u32;
            ssize_t got = read (fds[i], chunk, sizeof chunk);
            if (got <= 0)
                fail ("read");
            fan_count (i, walk_frames (&walkers[i], chunk, got));
        }
    }
    fan_report ();
    wait_for_parent ();
}
