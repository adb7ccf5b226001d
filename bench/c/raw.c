#include "raw.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static void hello (void)
{
    struct utsname name;
    uname (&name);
    say ("{\"result\":{\"version\":\"%s %s\"}}", name.sysname, name.release);
}

int main (int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run) (void);
    } roles[] = {
      {"hello", hello},
      {"stream-send", raw_stream_send},
      {"stream-receive", raw_stream_receive},
      {"reply", raw_reply},
      {"request", raw_request},
      {"fan-send", raw_fan_send},
      {"fan-receive", raw_fan_receive},
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
