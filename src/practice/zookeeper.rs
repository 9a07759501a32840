//! A real `ZooKeeper` for the practice cluster, from Debian's package, on loopback with its own data;
//! and the few calls that the cluster's processes make to it.

use std::{path::Path, time::Duration};

use zookeeper_client as zk;

use super::{
    error::PracticeError,
    layout::Layout,
    plan::{LOOPBACK, Plan},
};

/// Where Debian puts it.
const JAR: &str = "/usr/share/java/zookeeper.jar";
/// Its configuration of logging, first on the class path.
const CONF: &str = "/etc/zookeeper/conf";
/// Half a second, so that a session that dies is noticed after a second or two and not after fifteen.
const TICK_MS: u32 = 500;
/// The shortest session that this tick allows is one second.
pub const SESSION: Duration = Duration::from_secs(2);
/// The cluster's data are a few dozen nodes.
const HEAP: &str = "-Xmx96m";
/// Connecting takes milliseconds once the server is up.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// Whether Debian's package and a Java are there.
pub fn installed() -> bool {
    Path::new(JAR).exists() && java().is_some()
}

fn java() -> Option<std::path::PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join("java")).find(|path| path.is_file())
}

/// Writes its configuration and makes its directory.
pub fn prepare(layout: &Layout, port: u16) -> Result<(), PracticeError> {
    let dir = layout.zookeeper();
    let data = dir.join("data");
    std::fs::create_dir_all(&data).map_err(PracticeError::io("creating", &data))?;
    let text = format!(
        "dataDir={}\nclientPort={port}\nclientPortAddress={LOOPBACK}\ntickTime={TICK_MS}\n\
         admin.enableServer=false\n4lw.commands.whitelist=*\nmaxClientCnxns=0\n\
         preAllocSize=64\nautopurge.purgeInterval=0\n",
        data.display()
    );
    let file = dir.join("zoo.cfg");
    std::fs::write(&file, text).map_err(PracticeError::io("writing", &file))
}

/// The command line that runs it.
pub fn argv(layout: &Layout) -> Vec<String> {
    let java = java().map_or_else(|| "java".to_owned(), |path| path.to_string_lossy().into_owned());
    let file = layout.zookeeper().join("zoo.cfg").to_string_lossy().into_owned();
    let class = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
    let class_path = format!("{CONF}:{JAR}:/usr/share/java/*");
    // One compiler tier and the serial collector: a small server that should stay small.
    let options = [HEAP, "-Xms16m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &class_path, class, &file];
    std::iter::once(java).chain(options.map(str::to_owned)).collect()
}

/// A session with the cluster's `ZooKeeper`.
pub async fn connect(plan: &Plan) -> Result<Option<zk::Client>, PracticeError> {
    let Some(port) = plan.zookeeper_port else {
        return Ok(None);
    };
    let connecting = zk::Client::connector()
        .with_session_timeout(SESSION)
        .with_connection_timeout(CONNECT_WAIT)
        .connect(&format!("{LOOPBACK}:{port}"))
        .await;
    connecting.map(Some).map_err(failed("connecting"))
}

/// Makes a path and everything above it.
pub async fn make_path(client: &zk::Client, path: &str) -> Result<(), PracticeError> {
    let options = zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all());
    client.mkdir(path, &options).await.map_err(failed("creating a path"))
}

/// Makes an ephemeral node whose name ends with a sequence number; gives its whole path.
pub async fn announce(client: &zk::Client, prefix: &str, data: &[u8]) -> Result<String, PracticeError> {
    let options = zk::CreateMode::EphemeralSequential.with_acls(zk::Acls::anyone_all());
    let (_, sequence) = client.create(prefix, data, &options).await.map_err(failed("announcing"))?;
    Ok(format!("{prefix}{sequence}"))
}

/// An error of one call.
pub fn failed(doing: &'static str) -> impl FnOnce(zk::Error) -> PracticeError {
    move |error| PracticeError::ZooKeeper { doing, why: error.to_string() }
}
