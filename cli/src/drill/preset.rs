//! What is known about servers: which signal each takes for a graceful stop.

/// A server that the drill knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preset {
    /// Its name on the command line: `nginx`.
    pub(crate) name: &'static str,
    /// The signal that it takes for a graceful stop, without `SIG`: `QUIT`.
    pub(crate) signal: &'static str,
    /// What makes two of it share a port by `SO_REUSEPORT`: appended to the command.
    pub(crate) pair_args: &'static [&'static str],
    /// What it has routes for, if it is always the same program; empty for a server of
    /// applications.
    pub(crate) routes: PresetRoutes,
    /// A command that starts it, for the help.
    pub(crate) example: &'static str,
    /// What is peculiar to it, in a line; empty for nothing.
    pub(crate) note: &'static str,
}

/// Routes that a preset fills in where the command line names none. See
/// [`Routes`](super::record::Routes); `MS` in `slow` stands for a number of milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PresetRoutes {
    pub(crate) slow: Option<&'static str>,
    pub(crate) stream: Option<&'static str>,
    pub(crate) upload: Option<&'static str>,
    pub(crate) download: Option<&'static str>,
}

/// Without routes of its own: what it serves is somebody's application.
const NO_ROUTES: PresetRoutes = PresetRoutes {
    slow: None,
    stream: None,
    upload: None,
    download: None,
};

/// One that takes SIGTERM for a graceful stop, and shares no port.
const TERM: Preset = Preset {
    name: "",
    signal: "TERM",
    pair_args: &[],
    routes: NO_ROUTES,
    example: "",
    note: "",
};

/// All of them, by name. Each has the signal that its own documentation names for the stop that
/// lets requests finish, which is not always the one that stops it.
pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        name: "actix",
        example: "neap drill --preset actix -- ./server 127.0.0.1:{port}",
        note: "HttpServer waits for shutdown_timeout, 30 s unless set, from SIGTERM on",
        ..TERM
    },
    Preset {
        name: "apache",
        signal: "WINCH",
        example: "neap drill --preset apache -- apache2 -DFOREGROUND -f $PWD/site.conf \
                  -c 'Listen 127.0.0.1:{port}'",
        note: "graceful-stop is SIGWINCH; SIGTERM ends it at once",
        ..TERM
    },
    Preset {
        name: "axum",
        example: "neap drill --preset axum -- ./server 127.0.0.1:{port}",
        note: "drains if the program uses with_graceful_shutdown; there is no deadline of its own",
        ..TERM
    },
    Preset {
        name: "go",
        example: "neap drill --preset go -- ./server 127.0.0.1:{port}",
        note: "drains if the program calls Server.Shutdown and waits until it returns",
        ..TERM
    },
    Preset {
        name: "gunicorn",
        pair_args: &["--reuse-port"],
        example: "neap drill --preset gunicorn -- gunicorn -b 127.0.0.1:{port} app:app",
        note: "SIGTERM goes to the master; --graceful-timeout is the deadline",
        ..TERM
    },
    Preset {
        name: "haproxy",
        signal: "USR1",
        example: "neap drill --preset haproxy --env PORT={port} -- haproxy -db -f site.cfg",
        note: "soft stop is SIGUSR1; SIGTERM ends it at once. hard-stop-after is the deadline",
        ..TERM
    },
    Preset {
        name: "hyper",
        example: "neap drill --preset hyper -- ./server 127.0.0.1:{port}",
        note: "drains if the program uses hyper-util's GracefulShutdown",
        ..TERM
    },
    Preset {
        name: "lighttpd",
        signal: "INT",
        example: "neap drill --preset lighttpd --env PORT={port} -- lighttpd -D -f site.conf",
        note: "SIGINT lets requests finish; SIGTERM ends it at once",
        ..TERM
    },
    Preset {
        name: "neap",
        pair_args: &["--reuse-port"],
        routes: PresetRoutes {
            slow: Some("/delay/MS"),
            stream: Some("/stream/10/100"),
            upload: Some("/echo"),
            download: Some("/bytes/16000000"),
        },
        example: "neap drill --preset neap -- neap echo -p {port} --deadline {deadline}s",
        ..TERM
    },
    Preset {
        name: "nginx",
        signal: "QUIT",
        example: "neap drill --preset nginx -- sh -c 'sed s/PORT/{port}/ site.conf \
                  >/tmp/drill.conf && exec nginx -g \"daemon off;\" -c /tmp/drill.conf'",
        note: "SIGQUIT lets requests finish; SIGTERM ends it at once. worker_shutdown_timeout is \
               the deadline",
        ..TERM
    },
    Preset {
        name: "node",
        example: "neap drill --preset node -- node server.js {port}",
        note: "drains if the program calls server.close() on SIGTERM",
        ..TERM
    },
    Preset {
        name: "trillium",
        example: "neap drill --preset trillium --env PORT={port} -- ./server",
        ..TERM
    },
    Preset {
        name: "uvicorn",
        example: "neap drill --preset uvicorn -- uvicorn --port {port} app:app",
        note: "when it has drained it ends by the signal itself, on purpose; \
               --timeout-graceful-shutdown is the deadline",
        ..TERM
    },
];

impl Preset {
    /// The one with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preset_is_found_by_its_name() {
        for preset in PRESETS {
            let found = Preset::find(preset.name).unwrap();
            assert_eq!(found.example, preset.example);
        }
        assert!(Preset::find("").is_none());
    }

    #[test]
    fn presets_are_listed_by_name_each_with_a_command_to_copy() {
        assert!(PRESETS.is_sorted_by_key(|preset| preset.name));
        for Preset { name, example, .. } in PRESETS {
            let begins = format!("neap drill --preset {name} ");
            assert!(example.starts_with(&begins), "{example}");
            assert!(example.contains("{port}"), "{example}");
        }
    }

    #[test]
    fn servers_that_a_sigterm_ends_at_once_are_asked_in_their_own_way() {
        let signal = |name| Preset::find(name).unwrap().signal;
        assert_eq!(signal("nginx"), "QUIT");
        assert_eq!(signal("apache"), "WINCH");
        assert_eq!(signal("haproxy"), "USR1");
        assert_eq!(signal("lighttpd"), "INT");
        assert_eq!(signal("go"), "TERM");
    }
}
