//! A real browser for tests: Debian's chromium, headless, driven through a
//! chromedriver of the test's own.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How long a page may take for anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser, ended with the value.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Child,
    port: u16,
}

/// How wide a screen is, and whether it is for the night.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) is_dark: bool,
}

/// A chromedriver, and the port on which it listens; none if it ended.
fn listening() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .args(["--port=0", "--log-level=SEVERE"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "chromedriver does not start ({error}): these tests need a browser; \
                 install it by `apt-get install chromium chromium-driver`"
            )
        });
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse::<u16>().ok()
    });
    if port.is_none() {
        driver.wait().unwrap();
    }
    Some((driver, port?))
}

impl Browser {
    /// Starts chromedriver on a free port, and a browser through it.
    pub(crate) async fn start() -> Self {
        // It looks for one port that is free for two families of addresses, and
        // gives up if somebody else takes it first.
        let (driver, port) =
            (0..5).find_map(|_| listening()).expect("chromedriver says on which port it listens");
        let mut wanted = Map::new();
        // Tests may run as root in a container, where chromium's own sandbox
        // cannot be set up.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1400,1000",
            "--hide-scrollbars",
            // Pictures are of where a page went, not of its way there.
            "--force-prefers-reduced-motion",
        ];
        wanted.insert("goog:chromeOptions".to_owned(), json!({ "args": arguments }));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromium starts; is the package chromium installed?");
        Self { client, driver, port }
    }

    /// What a script returns.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until an expression is true; while it fails it is not. The page
    /// itself looks at every frame; one that is left takes the question along,
    /// and the next one is asked.
    pub(crate) async fn until(&self, condition: &str) {
        let script = format!(
            "const told = arguments[arguments.length - 1]; \
             const holds = () => {{ try {{ return {condition}; }} catch {{ return false; }} }}; \
             const look = () => holds() ? told(true) : requestAnimationFrame(look); \
             look();"
        );
        let mut last = None;
        let waited = tokio::time::timeout(PATIENCE, async {
            while let Err(error) = self.client.execute_async(&script, Vec::new()).await {
                last = Some(error);
            }
        });
        assert!(waited.await.is_ok(), "never: {condition} ({last:?})");
    }

    /// Presses a key on the page.
    pub(crate) async fn press(&self, key: &str) {
        let script = "document.body.dispatchEvent(new KeyboardEvent('keydown', \
                      { key: arguments[0], bubbles: true }))";
        self.client.execute(script, vec![json!(key)]).await.unwrap();
    }

    /// Shows pages as a screen of that kind does: narrower than any window can
    /// be, too.
    pub(crate) async fn show_on(&self, screen: Screen) {
        let height = if screen.width < 600 { 844 } else { 1000 };
        let metrics = json!({
            "width": screen.width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.tell("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if screen.is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tell("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Chromium's own protocol, which WebDriver does not cover.
    async fn tell(&self, command: &str, params: Value) {
        let session = self.client.session_id().await.unwrap().expect("a session was begun");
        let body = json!({ "cmd": command, "params": params }).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let head = format!(
            "POST /session/{session}/goog/cdp/execute HTTP/1.1\r\nHost: 127.0.0.1\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        // The driver keeps its connections: the answer ends before they do.
        let mut answer = Vec::new();
        let whole = |answer: &[u8]| {
            let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
            Some(body.len() >= length.trim().parse::<usize>().ok()?)
        };
        while whole(&answer) != Some(true) {
            let read = stream.read_buf(&mut answer).await.unwrap();
            assert!(read > 0, "{command}: the driver hung up");
        }
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{command}: {answer}");
    }

    /// Keeps what the browser shows, for people to look at.
    pub(crate) async fn keep(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// Ends the browser.
    pub(crate) async fn end(self) {
        // The driver is ended in any case.
        let _ = self.client.clone().close().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // SIGTERM would let it end its browser too; a test that failed before
        // closing has none of that time.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
