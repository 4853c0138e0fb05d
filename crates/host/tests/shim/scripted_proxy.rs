//! A proxy that serves nobody: it answers the daemon as a test wants and remembers what it was told.

use host::Paths;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use wire::field::Message;
use wire::frame;
use wire::proxy::{
    Answer, Applied, CERTIFICATES_FILE, Command, Done, PROTOCOL_VERSION, Refusal, Refused, Report,
    SOCKET_FILE, SetCertificates, Table, Welcome,
};

/// What it was told and what it shall say.
#[derive(Default)]
struct Script {
    tables: Vec<Table>,
    certificates: Vec<SetCertificates>,
    /// Where it saves certificates, as a proxy does.
    state: PathBuf,
    hellos: Vec<u64>,
    refuse_tables: Option<Refusal>,
    incarnation: u64,
}

/// Variables with the folders of [`child`]: where it listens, and what it keeps.
const RUN: &str = "SCRIPTED_PROXY_RUN";
const STATE: &str = "SCRIPTED_PROXY_STATE";

/// The program of a proxy that answers, of which `word` makes another one: a script that runs [`child`].
pub(crate) fn program(word: &str) -> String {
    let tests = std::env::current_exe().unwrap();
    format!("# {word}\n{RUN}=\"$2\" {STATE}=\"$4\" exec {} --exact scripted_proxy::child", tests.display())
}

/// Run as a proxy's program: answers until it is ended by a signal. By itself it does nothing.
#[tokio::test]
async fn child() {
    let (Some(run), Some(state)) = (std::env::var_os(RUN), std::env::var_os(STATE)) else { return };
    let _scripted = ScriptedProxy::listen_in(Path::new(&run), state.into());
    std::future::pending().await
}

/// See the module. Dropped, it closes its connections.
pub(crate) struct ScriptedProxy {
    script: Arc<Mutex<Script>>,
    unasked: broadcast::Sender<Option<Answer>>,
    task: JoinHandle<()>,
}

impl ScriptedProxy {
    /// Listens where the daemon expects the proxy.
    pub(crate) fn listen(paths: &Paths) -> Self {
        Self::listen_in(&paths.proxy_run(), paths.proxy_state())
    }

    fn listen_in(folder: &Path, state: PathBuf) -> Self {
        fs_err::create_dir_all(folder).unwrap();
        let _ = fs_err::remove_file(folder.join(SOCKET_FILE));
        let folder = fs_err::File::open(folder).unwrap();
        let name = format!("/proc/self/fd/{}/{SOCKET_FILE}", folder.as_raw_fd());
        let listener = UnixListener::bind(name).unwrap();
        let script = Arc::new(Mutex::new(Script { incarnation: 1, state, ..Script::default() }));
        let unasked = broadcast::Sender::new(16);
        let task = tokio::spawn(accept(listener, script.clone(), unasked.clone()));
        Self { script, unasked, task }
    }

    /// The tables it got, oldest first.
    pub(crate) fn tables(&self) -> Vec<Table> {
        self.script.lock().unwrap().tables.clone()
    }

    /// Epochs that greeted it.
    pub(crate) fn hellos(&self) -> Vec<u64> {
        self.script.lock().unwrap().hellos.clone()
    }

    /// How many certificates it got each time.
    pub(crate) fn certificates(&self) -> Vec<usize> {
        self.script.lock().unwrap().certificates.iter().map(|set| set.certificates.len()).collect()
    }

    /// The chains that it serves with.
    pub(crate) fn chains(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let last = script.certificates.last().cloned().unwrap_or_default();
        last.certificates.into_iter().map(|certificate| certificate.chain_pem).collect()
    }

    /// From now on it refuses tables, or no longer.
    pub(crate) fn refuse_tables(&self, refusal: Option<Refusal>) {
        self.script.lock().unwrap().refuse_tables = refusal;
    }

    /// Says something that nobody asked for.
    pub(crate) fn say(&self, answer: Answer) {
        self.unasked.send(Some(answer)).unwrap();
    }

    /// Closes all connections and goes on to listen.
    pub(crate) fn hang_up(&self) {
        self.unasked.send(None).unwrap();
    }
}

impl Drop for ScriptedProxy {
    fn drop(&mut self) {
        self.task.abort();
        let _ = self.unasked.send(None);
    }
}

async fn accept(
    listener: UnixListener,
    script: Arc<Mutex<Script>>,
    unasked: broadcast::Sender<Option<Answer>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, script.clone(), unasked.subscribe()));
    }
}

async fn serve(
    mut stream: UnixStream,
    script: Arc<Mutex<Script>>,
    mut unasked: broadcast::Receiver<Option<Answer>>,
) {
    let mut input = Vec::new();
    loop {
        let mut output = Vec::new();
        tokio::select! {
            read = stream.read_buf(&mut input) => if read.unwrap_or(0) == 0 { return },
            said = unasked.recv() => match said {
                Ok(Some(answer)) => answer.put_frame(0, &mut output).unwrap(),
                _ => return,
            },
        }
        while let Some((frame, used)) = frame::split(&input).unwrap() {
            let command = Command::from_frame(&frame).unwrap().expect("the daemon says what we know");
            let answer = script.lock().unwrap().obey(command);
            answer.put_frame(frame.request, &mut output).unwrap();
            input.drain(..used);
        }
        if stream.write_all(&output).await.is_err() {
            return;
        }
    }
}

impl Script {
    fn obey(&mut self, command: Command) -> Answer {
        let revision = self.tables.last().map_or(0, |table| table.revision);
        match command {
            Command::Hello(hello) => {
                self.hellos.push(hello.epoch);
                let (version, incarnation) = (PROTOCOL_VERSION, self.incarnation);
                let pid = std::process::id();
                Answer::Welcome(Welcome { version, revision, incarnation, pid, ..Welcome::default() })
            }
            Command::SetTable(_) if self.refuse_tables.is_some() => {
                let refusal = self.refuse_tables.unwrap();
                Answer::Refused(Refused { refusal, text: "the script says so".into() })
            }
            Command::SetTable(set) => {
                let revision = set.table.revision;
                self.tables.push(set.table);
                Answer::Applied(Applied { revision })
            }
            Command::SetCertificates(set) if set.certificates.iter().any(|it| it.chain_pem == "broken") => {
                Answer::Refused(Refused { refusal: Refusal::Invalid, text: "the script says so".into() })
            }
            Command::SetCertificates(set) => {
                let (mut payload, mut record) = (Vec::new(), Vec::new());
                set.encode(&mut payload);
                wire::record::put(&payload, &mut record);
                fs_err::create_dir_all(&self.state).unwrap();
                fs_err::write(self.state.join(CERTIFICATES_FILE), record).unwrap();
                self.certificates.push(set);
                Answer::Done(Done {})
            }
            Command::Watch(_) => Answer::Done(Done {}),
            Command::QueryReport(_) => {
                Answer::Report(Report { revision, incarnation: self.incarnation, ..Report::default() })
            }
        }
    }
}
