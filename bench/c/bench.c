#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static int arg_count;
static char **arg_values;

void args_init (int argc, char **argv)
{
    arg_count = argc;
    arg_values = argv;
    /* A parent that was killed cannot stop us: let the kernel do it. */
    prctl (PR_SET_PDEATHSIG, SIGKILL);
}

const char *arg_text (const char *name)
{
    size_t length = strlen (name);
    for (int i = 2; i < arg_count; i++)
        if (strncmp (arg_values[i], name, length) == 0 && arg_values[i][length] == '=')
            return arg_values[i] + length + 1;
    say ("{\"error\":\"argument %s is missing\"}", name);
    exit (1);
}

int64_t arg_number (const char *name)
{
    return strtoll (arg_text (name), NULL, 10);
}

int64_t now_ns (void)
{
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t cpu_us (void)
{
    struct rusage u;
    getrusage (RUSAGE_SELF, &u);
    return (int64_t) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

void say (const char *format, ...)
{
    va_list list;
    va_start (list, format);
    vprintf (format, list);
    va_end (list);
    putchar ('\n');
    fflush (stdout);
}

void fail (const char *what)
{
    say ("{\"error\":\"%s: %s\"}", what, strerror (errno));
    exit (1);
}

void wait_for_parent (void)
{
    char c;
    while (read (0, &c, 1) > 0)
        ;
    _exit (0);
}

static int ascending (const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
    return (x > y) - (x < y);
}

void say_latency (uint32_t *samples, int64_t count, int64_t elapsed_ns)
{
    qsort (samples, count, sizeof *samples, ascending);
    /* Nearest rank, as in bench/stats.ts. */
    int64_t p50 = (count * 50 + 99) / 100 - 1, p99 = (count * 99 + 99) / 100 - 1;
    say ("{\"result\":{\"count\":%lld,\"seconds\":%.9f,\"p50\":%.3f,\"p99\":%.3f}}", (long long) count,
         elapsed_ns / 1e9, samples[p50] / 1e3, samples[p99] / 1e3);
}

static socklen_t parse (const char *endpoint, struct sockaddr_storage *address)
{
    memset (address, 0, sizeof *address);
    if (strncmp (endpoint, "ipc://", 6) == 0) {
        struct sockaddr_un *local = (struct sockaddr_un *) address;
        local->sun_family = AF_UNIX;
        strncpy (local->sun_path, endpoint + 6, sizeof local->sun_path - 1);
        return sizeof *local;
    }
    struct sockaddr_in *inet = (struct sockaddr_in *) address;
    char host[64] = "";
    int port = 0;
    if (sscanf (endpoint, "tcp://%63[^:]:%d", host, &port) != 2 || inet_pton (AF_INET, host, &inet->sin_addr) != 1) {
        say ("{\"error\":\"bad endpoint %s\"}", endpoint);
        exit (1);
    }
    inet->sin_family = AF_INET;
    inet->sin_port = htons (port);
    return sizeof *inet;
}

int listen_on (const char *endpoint, char *actual, size_t actual_size)
{
    struct sockaddr_storage address;
    socklen_t length = parse (endpoint, &address);
    int fd = socket (address.ss_family, SOCK_STREAM, 0);
    if (fd < 0 || bind (fd, (struct sockaddr *) &address, length) != 0 || listen (fd, 128) != 0)
        fail ("listen");
    if (address.ss_family == AF_UNIX)
        snprintf (actual, actual_size, "%s", endpoint);
    else {
        struct sockaddr_in bound;
        length = sizeof bound;
        getsockname (fd, (struct sockaddr *) &bound, &length);
        snprintf (actual, actual_size, "tcp://127.0.0.1:%d", ntohs (bound.sin_port));
    }
    return fd;
}

int connect_to (const char *endpoint)
{
    struct sockaddr_storage address;
    socklen_t length = parse (endpoint, &address);
    int one = 1;
    int fd = socket (address.ss_family, SOCK_STREAM, 0);
    if (fd < 0 || connect (fd, (struct sockaddr *) &address, length) != 0)
        fail ("connect");
    if (address.ss_family == AF_INET)
        setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

void write_all (int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t done = write (fd, at, size);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            /* The peer has what it wanted and left; the parent knows. */
            if (errno == EPIPE || errno == ECONNRESET)
                wait_for_parent ();
            fail ("write");
        }
        at += done;
        size -= done;
    }
}

void control_send (int fd, uint32_t value)
{
    unsigned char bytes[4] = {value & 255, value >> 8 & 255, value >> 16 & 255, value >> 24 & 255};
    write_all (fd, bytes, sizeof bytes);
}

int64_t control_receive (int fd, int timeout_ms)
{
    /* A few bytes of a number may arrive before the rest. */
    static unsigned char kept[4096];
    static size_t have;
    for (;;) {
        struct pollfd item = {fd, POLLIN, 0};
        if (poll (&item, 1, timeout_ms) <= 0)
            return -1;
        ssize_t got = read (fd, kept + have, sizeof kept - have);
        if (got <= 0)
            return -1;
        have += got;
        if (have < 4)
            continue;
        size_t whole = have / 4 * 4;
        unsigned char *last = kept + whole - 4;
        int64_t value = last[0] | last[1] << 8 | last[2] << 16 | (int64_t) last[3] << 24;
        memmove (kept, kept + whole, have - whole);
        have -= whole;
        return value;
    }
}
