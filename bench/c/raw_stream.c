/* The floor for throughput and latency: ZMTP frames (2 or 9 octets of header, then the payload) over plain sockets,
 * packed by hand into buffers of 64 KiB. No messaging library can be faster than this on the same kernel. */
#include "raw.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int accept_one (int listener)
{
    int one = 1;
    int fd = accept (listener, NULL, NULL);
    if (fd < 0)
        fail ("accept");
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

void raw_stream_send (void)
{
    size_t size = arg_number ("size");
    int64_t left = arg_number ("warm") + arg_number ("count");
    signal (SIGPIPE, SIG_IGN);
    int fd = connect_to (arg_text ("endpoint"));
    unsigned char *chunk = malloc (RAW_CHUNK + size + 9);
    size_t frame = put_frame (chunk, size);
    int64_t frames = frame > RAW_CHUNK ? 1 : RAW_CHUNK / frame;
    for (int64_t i = 1; i < frames; i++)
        put_frame (chunk + i * frame, size);
    while (left > 0) {
        int64_t n = left < frames ? left : frames;
        write_all (fd, chunk, n * frame);
        left -= n;
    }
    wait_for_parent ();
}

void raw_stream_receive (void)
{
    int64_t warm = arg_number ("warm"), end = warm + arg_number ("count");
    char actual[256];
    int listener = listen_on (arg_text ("endpoint"), actual, sizeof actual);
    say ("{\"ready\":\"%s\"}", actual);
    int fd = accept_one (listener);
    static unsigned char chunk[RAW_CHUNK];
    struct walker w = {.size = arg_number ("size")};
    int64_t seen = 0, start = 0, start_seen = 0;
    while (seen < end) {
        ssize_t got = read (fd, chunk, sizeof chunk);
        if (got <= 0)
            fail ("read");
        seen += walk_frames (&w, chunk, got);
        if (start == 0 && seen >= warm) {
            start = now_ns ();
            start_seen = seen;
        }
    }
    say ("{\"result\":{\"count\":%lld,\"seconds\":%.9f}}", (long long) (seen - start_seen),
         (now_ns () - start) / 1e9);
    wait_for_parent ();
}

static void read_exactly (int fd, unsigned char *to, size_t size)
{
    while (size > 0) {
        ssize_t got = read (fd, to, size);
        if (got <= 0)
            wait_for_parent ();
        to += got;
        size -= got;
    }
}

void raw_reply (void)
{
    size_t size = arg_number ("size");
    char actual[256];
    int listener = listen_on (arg_text ("endpoint"), actual, sizeof actual);
    say ("{\"ready\":\"%s\"}", actual);
    signal (SIGPIPE, SIG_IGN);
    int fd = accept_one (listener);
    unsigned char *frame = malloc (size + 9);
    size_t length = put_frame (frame, size);
    for (;;) {
        read_exactly (fd, frame, length);
        write_all (fd, frame, length);
    }
}

void raw_request (void)
{
    size_t size = arg_number ("size");
    int64_t warm = arg_number ("warm"), count = arg_number ("count"), start = 0;
    int fd = connect_to (arg_text ("endpoint"));
    unsigned char *frame = malloc (size + 9);
    size_t length = put_frame (frame, size);
    uint32_t *samples = malloc (count * sizeof *samples);
    for (int64_t i = -warm; i < count; i++) {
        int64_t before = now_ns ();
        if (i == 0)
            start = before;
        write_all (fd, frame, length);
        read_exactly (fd, frame, length);
        if (i >= 0)
            samples[i] = now_ns () - before;
    }
    say_latency (samples, count, now_ns () - start);
    wait_for_parent ();
}
