//! HAProxy and nginx as ordinary processes, each for one test.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

/// A proxy, listening. It is killed, and its folder removed, when the test is over.
pub(crate) struct Proxy {
    program: &'static str,
    settings: &'static str,
    /// Known to the proxy and the test, not to clients.
    secret: String,
    folder: PathBuf,
    /// Its socket listens from the beginning: clients wait until the proxy has started.
    listener: TcpListener,
    process: Option<Child>,
}

impl Proxy {
    /// An HAProxy with additional settings for its frontend, if it is installed.
    pub(crate) fn haproxy(settings: &'static str) -> Option<Proxy> {
        Proxy::new("haproxy", settings)
    }

    /// An nginx with additional settings for its one location, if it is installed.
    pub(crate) fn nginx(settings: &'static str) -> Option<Proxy> {
        Proxy::new("nginx", settings)
    }

    fn new(program: &'static str, settings: &'static str) -> Option<Proxy> {
        let version = command(program).arg("-v").output();
        if version.is_err() {
            assert!(std::env::var_os("CI").is_none(), "{program} is missing");
            println!("skipped: {program} is not installed");
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let secret = format!("{:x}", now.as_nanos());
        let folder = std::env::temp_dir().join(format!("neap-{program}-{port}-{secret}"));
        fs::create_dir(&folder).unwrap();
        Some(Proxy {
            program,
            settings,
            secret,
            folder,
            listener,
            process: None,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// Starts it in front of `upstream`. It inherits its listening socket as standard input.
    pub(crate) fn start(&mut self, upstream: SocketAddr) {
        let (file, text) = match self.program {
            "nginx" => ("nginx.conf", self.nginx_configuration(upstream)),
            _ => ("haproxy.cfg", self.haproxy_configuration(upstream)),
        };
        let file = self.folder.join(file);
        fs::write(&file, text).unwrap();
        let mut command = command(self.program);
        match self.program {
            "nginx" => command
                .env("NGINX", "0;")
                .args(["-e", "stderr", "-p"])
                .arg(&self.folder)
                .arg("-c"),
            _ => command.args(["-db", "-f"]),
        };
        let log = File::create(self.folder.join("log")).unwrap();
        let socket = OwnedFd::from(self.listener.try_clone().unwrap());
        command
            .arg(&file)
            .stdin(Stdio::from(socket))
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    fn haproxy_configuration(&self, upstream: SocketAddr) -> String {
        let (settings, secret) = (self.settings, &self.secret);
        format!(
            "defaults
                mode http
                retries 0
                http-reuse always
                timeout connect 10s
                timeout client 10s
                timeout server 10s
            frontend clients
                bind fd@0
                {settings}
                unique-id-format %[uuid]
                http-request set-header X-Mark {secret}-%[unique-id]
                http-response set-header X-Mark {secret}-%[unique-id]
                default_backend neap
            backend neap
                server neap {upstream}
"
        )
    }

    fn nginx_configuration(&self, upstream: SocketAddr) -> String {
        let (settings, secret) = (self.settings, &self.secret);
        let (address, folder) = (self.address(), self.folder.display());
        format!(
            "daemon off;
            worker_processes 1;
            pid {folder}/pid;
            events {{ worker_connections 256; }}
            http {{
                access_log off;
                client_body_temp_path {folder}/content;
                proxy_temp_path {folder}/proxy;
                fastcgi_temp_path {folder}/fastcgi;
                uwsgi_temp_path {folder}/uwsgi;
                scgi_temp_path {folder}/scgi;
                upstream neap {{ server {upstream}; keepalive 4; }}
                server {{
                    listen {address};
                    proxy_ignore_client_abort on;
                    proxy_next_upstream off;
                    proxy_set_header X-Mark {secret}-$request_id;
                    add_header X-Mark {secret}-$request_id always;
                    {settings}
                    location / {{ proxy_pass http://neap; }}
                }}
            }}
"
        )
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // nginx has a worker, which it takes along.
            let _ = kill_process(Pid::from_child(&process), Signal::TERM);
            let _ = process.wait();
        }
        if std::thread::panicking() {
            println!("{} said:\n{}", self.program, self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Servers are not on every user's path.
fn command(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
    command
}
