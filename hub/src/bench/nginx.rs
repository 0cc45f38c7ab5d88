//! nginx with one page, from a file.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};

use crate::local::fetch::Fetch;

/// Where Debian puts it; that is not on every user's PATH.
const PROGRAMS: [&str; 2] = ["nginx", "/usr/sbin/nginx"];
/// How long it is waited for, and how often it is asked meanwhile.
const START: Duration = Duration::from_secs(10);
const ASK: Duration = Duration::from_millis(20);

/// A serving nginx, until dropped.
#[derive(Debug)]
pub(super) struct Nginx {
    /// Where the page is.
    pub(super) page: String,
    child: Child,
}

impl Nginx {
    /// Serves `page` from a file in `folder`; `None` where there is no nginx.
    pub(super) async fn start(folder: &Path, page: &[u8]) -> anyhow::Result<Option<Self>> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        std::fs::write(folder.join("page.html"), page)?;
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration(folder, port))?;
        for program in PROGRAMS {
            let mut command = Command::new(program);
            command.arg("-e").arg(folder.join("error.log")).arg("-c").arg(&file);
            command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
            match command.spawn() {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                child => {
                    let child = child.context("nginx cannot be started")?;
                    let page = format!("http://127.0.0.1:{port}/page.html");
                    let mut nginx = Self { page, child };
                    nginx.wait(folder).await?;
                    return Ok(Some(nginx));
                }
            }
        }
        Ok(None)
    }

    /// Waits until it serves.
    async fn wait(&mut self, folder: &Path) -> anyhow::Result<()> {
        let why = || {
            let log = std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            format!("nginx does not serve: {log}")
        };
        let serves = async {
            let fetch = Fetch::new();
            while !matches!(fetch.get(&self.page).await, Ok((200, _))) {
                if self.child.try_wait()?.is_some() {
                    anyhow::bail!("it has ended");
                }
                tokio::time::sleep(ASK).await;
            }
            Ok(())
        };
        tokio::time::timeout(START, serves).await.with_context(why)?.with_context(why)
    }
}

/// One process, which ends with this one's handle on it; files as fast as nginx serves them.
fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|of| format!("{of}_temp_path \"{folder}/{of}\";\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid \"{folder}/pid\";\n\
         events {{ worker_connections 4096; }}\n\
         http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\ngzip off;\nkeepalive_requests 1000000000;\n\
         open_file_cache max=100;\ncharset utf-8;\ntypes {{ text/html html; }}\n{scratch}\
         server {{ listen 127.0.0.1:{port}; root \"{folder}\"; }}\n}}\n"
    )
}
