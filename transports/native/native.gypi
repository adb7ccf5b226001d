# How the addon is built.
{
  "targets": [
    {
      "target_name": "heddle_native",
      "conditions": [
        [
          "OS=='linux'",
          {
            "sources": [
              "addon.cc",
              "datagrams.cc",
              "memory.cc",
              "sockets.cc",
              "values.cc",
            ],
            # 8 is the newest version that every supported Node has: one binary serves them all.
            "defines": ["NAPI_VERSION=8", "_GNU_SOURCE", "_FILE_OFFSET_BITS=64"],
            "cflags": ["-Wall", "-Wextra", "-Wshadow", "-fvisibility=hidden"],
            # Whatever standard the headers' own settings name.
            "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
            "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
            "ldflags": ["-Wl,-z,relro,-z,now", "-static-libgcc"],
          },
          # Linux first: elsewhere the plain TypeScript runs.
          {"type": "none"},
        ]
      ],
    }
  ]
}
