#include "libzmq.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void check (int result, const char *what)
{
    if (result >= 0)
        return;
    if (zmq_errno () == ETERM)
        wait_for_parent ();
    errno = zmq_errno ();
    fail (what);
}

void *new_context (void)
{
    return zmq_ctx_new ();
}

void *new_socket (void *context, int type, int hwm)
{
    void *socket = zmq_socket (context, type);
    if (!socket)
        fail ("zmq_socket");
    check (zmq_setsockopt (socket, ZMQ_SNDHWM, &hwm, sizeof hwm), "ZMQ_SNDHWM");
    check (zmq_setsockopt (socket, ZMQ_RCVHWM, &hwm, sizeof hwm), "ZMQ_RCVHWM");
    return socket;
}

void bind_and_say (void *socket, const char *endpoint)
{
    char actual[256];
    size_t size = sizeof actual;
    check (zmq_bind (socket, endpoint), "zmq_bind");
    check (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, actual, &size), "ZMQ_LAST_ENDPOINT");
    say ("{\"ready\":\"%s\"}", actual);
}

void send_bytes (void *socket, const void *bytes, size_t size)
{
    check (zmq_send (socket, bytes, size, 0), "zmq_send");
}

size_t receive_size (void *socket, size_t size)
{
    zmq_msg_t message;
    zmq_msg_init (&message);
    check (zmq_msg_recv (&message, socket, 0), "zmq_msg_recv");
    size_t got = zmq_msg_size (&message);
    zmq_msg_close (&message);
    if (size > 0 && got != size) {
        errno = EPROTO;
        fail ("a message of another size");
    }
    return got;
}

static void hello (void)
{
    int major, minor, patch;
    zmq_version (&major, &minor, &patch);
    say ("{\"result\":{\"version\":\"%d.%d.%d\"}}", major, minor, patch);
}

int main (int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run) (void);
    } roles[] = {
      {"hello", hello},
      {"stream-send", zmq_stream_send},
      {"stream-receive", zmq_stream_receive},
      {"stream-inside", zmq_stream_inside},
      {"reply", zmq_reply},
      {"request", zmq_request},
      {"request-inside", zmq_request_inside},
      {"fan-send", zmq_fan_send},
      {"fan-receive", zmq_fan_receive},
      {"subjects-send", zmq_subjects_send},
      {"subjects-receive", zmq_subjects_receive},
      {"idle", zmq_idle},
    };
    args_init (argc, argv);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (argc > 1 && strcmp (argv[1], roles[i].name) == 0) {
            roles[i].run ();
            return 0;
        }
    say ("{\"error\":\"no such role\"}");
    return 1;
}
