#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (512 * 1024)

void web_open (struct web_client *client, const char *endpoint, const char *protocol)
{
    char plain[256], request[512], answer[2048];
    size_t have = 0;
    const char *address = strstr (endpoint, "://") + 3;
    size_t length = strcspn (address, "/");
    snprintf (plain, sizeof plain, "tcp://%.*s", (int) length, address);
    client->fd = connect_to (plain);
    client->rest = NULL;
    client->rest_size = 0;
    snprintf (request, sizeof request,
              "GET / HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n",
              (int) length, address, *protocol ? "Sec-WebSocket-Protocol: " : "", protocol, *protocol ? "\r\n" : "");
    write_all (client->fd, request, strlen (request));
    /* Byte by byte: what follows the headers is not ours. */
    while (have < 4 || memcmp (answer + have - 4, "\r\n\r\n", 4) != 0) {
        if (have == sizeof answer - 1 || read (client->fd, answer + have, 1) != 1)
            fail ("upgrade");
        have++;
    }
    if (strncmp (answer, "HTTP/1.1 101", 12) != 0) {
        answer[have] = 0;
        fprintf (stderr, "%s", answer);
        fail ("the server refused the upgrade");
    }
}

void web_send (struct web_client *client, const unsigned char *payload, size_t size)
{
    /* The mask is zero: nothing to compute, and allowed by RFC 6455, 5.3, but for its purpose. */
    unsigned char frame[65536] = {0x82};
    size_t at = 2;
    if (size < 126)
        frame[1] = 0x80 | size;
    else {
        frame[1] = 0x80 | 126;
        frame[at++] = size >> 8;
        frame[at++] = size & 255;
    }
    memset (frame + at, 0, 4);
    memcpy (frame + at + 4, payload, size);
    write_all (client->fd, frame, at + 4 + size);
}

int web_read (struct web_client *client, web_message *message, void *context)
{
    static unsigned char chunk[2 * CHUNK];
    size_t at = 0, end = client->rest_size;
    if (end > CHUNK)
        fail ("a frame is too large");
    memcpy (chunk, client->rest, end);
    ssize_t got = read (client->fd, chunk + end, CHUNK);
    if (got <= 0)
        return 0;
    end += got;
    while (end - at >= 2) {
        size_t size = chunk[at + 1] & 127, from = at + 2;
        if (size == 126) {
            if (end - at < 4)
                break;
            size = chunk[at + 2] << 8 | chunk[at + 3];
            from = at + 4;
        } else if (size == 127) {
            if (end - at < 10)
                break;
            size = (size_t) chunk[at + 6] << 24 | chunk[at + 7] << 16 | chunk[at + 8] << 8 | chunk[at + 9];
            from = at + 10;
        }
        if (end - from < size || from > end)
            break;
        /* Pings are not answered: nobody here is idle for so long. */
        if ((chunk[at] & 15) == 8)
            return 0;
        if ((chunk[at] & 15) <= 2)
            message (context, chunk + from, size);
        at = from + size;
    }
    client->rest_size = end - at;
    client->rest = realloc (client->rest, client->rest_size + 1);
    memcpy (client->rest, chunk + at, client->rest_size);
    return 1;
}

unsigned char *web_bytes (const char *name, size_t *size)
{
    const char *text = arg_text (name);
    *size = strlen (text) / 2;
    unsigned char *bytes = malloc (*size + 1);
    for (size_t i = 0; i < *size; i++) {
        unsigned value;
        sscanf (text + 2 * i, "%2x", &value);
        bytes[i] = value;
    }
    return bytes;
}

static uint64_t varint (const unsigned char *bytes, size_t *at, size_t end)
{
    uint64_t value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        unsigned char byte = bytes[(*at)++];
        value |= (uint64_t) (byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    fail ("a varint without end");
}

int64_t web_count (const unsigned char *bytes, size_t length, size_t size, int is_edge)
{
    int64_t count = 0;
    if (!is_edge)
        return length == size;
    for (size_t at = 0; at < length;) {
        unsigned char type = bytes[at++];
        size_t body = varint (bytes, &at, length), end = at + body;
        if (type == 67) {
            varint (bytes, &at, end);
            varint (bytes, &at, end);
            while (at < end) {
                unsigned char head = bytes[at++];
                if (!(head & 0x40))
                    at += varint (bytes, &at, end);
                if (head & 0x10)
                    at += varint (bytes, &at, end);
                uint64_t payload = varint (bytes, &at, end);
                count += payload == size;
                at += payload;
            }
        }
        at = end;
    }
    return count;
}

int web_has_record (const unsigned char *bytes, size_t length, unsigned char type)
{
    for (size_t at = 0; at < length;) {
        if (bytes[at++] == type)
            return 1;
        size_t body = varint (bytes, &at, length);
        at += body;
    }
    return 0;
}

int main (int argc, char **argv)
{
    struct rlimit files;
    args_init (argc, argv);
    getrlimit (RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit (RLIMIT_NOFILE, &files);
    if (argc > 1 && strcmp (argv[1], "fan-receive") == 0)
        web_fan_receive ();
    if (argc > 1 && strcmp (argv[1], "request") == 0)
        web_request ();
    if (argc > 1 && strcmp (argv[1], "clients") == 0)
        web_clients ();
    say ("{\"error\":\"no such role\"}");
    return 1;
}
