/* A PULL socket that is only connected to: each line on stdin asks for the memory in use. */
#include "libzmq.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

void zmq_idle (void)
{
    struct rlimit files;
    char line[64];
    getrlimit (RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit (RLIMIT_NOFILE, &files);
    void *pull = new_socket (new_context (), ZMQ_PULL, arg_number ("hwm"));
    int backlog = arg_number ("backlog");
    check (zmq_setsockopt (pull, ZMQ_BACKLOG, &backlog, sizeof backlog), "ZMQ_BACKLOG");
    bind_and_say (pull, arg_text ("endpoint"));
    while (fgets (line, sizeof line, stdin)) {
        long pages = 0, resident = 0;
        /* What Node's gc() is for the others: freed memory goes back before it is counted. */
        malloc_trim (0);
        FILE *statm = fopen ("/proc/self/statm", "r");
        if (!statm || fscanf (statm, "%ld %ld", &pages, &resident) != 2)
            fail ("/proc/self/statm");
        fclose (statm);
        say ("{\"result\":{\"rss\":%ld}}", resident * sysconf (_SC_PAGESIZE));
    }
    _exit (0);
}
