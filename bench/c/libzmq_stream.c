/* Throughput and latency as libzmq's own perf tools measure them: local_thr, remote_thr, inproc_thr, local_lat,
 * remote_lat, inproc_lat. Messages are made with zmq_msg_init_size and, as there, not written to. */
#include "libzmq.h"

#include <pthread.h>
#include <stdlib.h>

static void send_stream (void *push, size_t size, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        zmq_msg_t message;
        check (zmq_msg_init_size (&message, size), "zmq_msg_init_size");
        check (zmq_msg_send (&message, push, 0), "zmq_msg_send");
    }
}

static void receive_stream (void *pull, size_t size, int64_t warm, int64_t count)
{
    zmq_msg_t message;
    int64_t start = 0;
    zmq_msg_init (&message);
    for (int64_t i = 0; i < warm + count; i++) {
        check (zmq_msg_recv (&message, pull, 0), "zmq_msg_recv");
        if (zmq_msg_size (&message) != size)
            fail ("a message of another size");
        if (i + 1 == warm)
            start = now_ns ();
    }
    say ("{\"result\":{\"count\":%lld,\"seconds\":%.9f}}", (long long) count, (now_ns () - start) / 1e9);
}

void zmq_stream_send (void)
{
    void *push = new_socket (new_context (), ZMQ_PUSH, arg_number ("hwm"));
    check (zmq_connect (push, arg_text ("endpoint")), "zmq_connect");
    send_stream (push, arg_number ("size"), arg_number ("warm") + arg_number ("count"));
    wait_for_parent ();
}

void zmq_stream_receive (void)
{
    void *pull = new_socket (new_context (), ZMQ_PULL, arg_number ("hwm"));
    bind_and_say (pull, arg_text ("endpoint"));
    receive_stream (pull, arg_number ("size"), arg_number ("warm"), arg_number ("count"));
    wait_for_parent ();
}

static void *sender_thread (void *context)
{
    void *push = new_socket (context, ZMQ_PUSH, arg_number ("hwm"));
    check (zmq_connect (push, "inproc://bench"), "zmq_connect");
    send_stream (push, arg_number ("size"), arg_number ("warm") + arg_number ("count"));
    return NULL;
}

void zmq_stream_inside (void)
{
    pthread_t thread;
    void *context = new_context ();
    void *pull = new_socket (context, ZMQ_PULL, arg_number ("hwm"));
    check (zmq_bind (pull, "inproc://bench"), "zmq_bind");
    pthread_create (&thread, NULL, sender_thread, context);
    receive_stream (pull, arg_number ("size"), arg_number ("warm"), arg_number ("count"));
}

static void answer (void *rep)
{
    for (;;) {
        zmq_msg_t message;
        zmq_msg_init (&message);
        check (zmq_msg_recv (&message, rep, 0), "zmq_msg_recv");
        check (zmq_msg_send (&message, rep, 0), "zmq_msg_send");
    }
}

static void ask (void *req)
{
    size_t size = arg_number ("size");
    int64_t warm = arg_number ("warm"), count = arg_number ("count"), start = 0;
    uint32_t *samples = malloc (count * sizeof *samples);
    zmq_msg_t message;
    check (zmq_msg_init_size (&message, size), "zmq_msg_init_size");
    for (int64_t i = -warm; i < count; i++) {
        int64_t before = now_ns ();
        if (i == 0)
            start = before;
        check (zmq_msg_send (&message, req, 0), "zmq_msg_send");
        check (zmq_msg_recv (&message, req, 0), "zmq_msg_recv");
        if (i >= 0)
            samples[i] = now_ns () - before;
        if (zmq_msg_size (&message) != size)
            fail ("a message of another size");
    }
    say_latency (samples, count, now_ns () - start);
}

void zmq_reply (void)
{
    void *rep = new_socket (new_context (), ZMQ_REP, arg_number ("hwm"));
    bind_and_say (rep, arg_text ("endpoint"));
    answer (rep);
}

void zmq_request (void)
{
    void *req = new_socket (new_context (), ZMQ_REQ, arg_number ("hwm"));
    check (zmq_connect (req, arg_text ("endpoint")), "zmq_connect");
    ask (req);
    wait_for_parent ();
}

static void *answer_thread (void *context)
{
    void *rep = new_socket (context, ZMQ_REP, arg_number ("hwm"));
    check (zmq_connect (rep, "inproc://bench"), "zmq_connect");
    answer (rep);
    return NULL;
}

void zmq_request_inside (void)
{
    pthread_t thread;
    void *context = new_context ();
    void *req = new_socket (context, ZMQ_REQ, arg_number ("hwm"));
    check (zmq_bind (req, "inproc://bench"), "zmq_bind");
    pthread_create (&thread, NULL, answer_thread, context);
    ask (req);
}
