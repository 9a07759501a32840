//! How schedulers are called, by what the inventory says: credentials, trust, and the command that speaks Kerberos.
//!
//! Passwords are read here, when a call is made, and go no further than the client.

use std::{collections::BTreeMap, io::Read as _, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    aurora::{
        admin::AdminRan,
        client::{
            AdminTool, CA_BYTES_MAX, ClientError, ClientOptions, Credentials, EnsembleAccess, EnsembleError, Login,
            RunCommand, SecretSource, Trust, read_secret,
        },
    },
    hosts::{End, Host, Hosts, Quiet, Run, Stop},
    inventory::{Api, Inventory, Password, Via},
    runbook::model::{HostName, LOCAL},
};

/// Bytes that `aurora_admin` may print: 100,000 staged tasks are about 12 MB.
const PRINTED_BYTES_MAX: usize = 64 << 20;

/// Limits as they are by default, with what the inventory says of credentials and trust.
pub fn client_options(api: &Api, hosts: &Hosts) -> Result<ClientOptions, ClientError> {
    let credentials = match (&api.user, &api.password) {
        (Some(user), Some(password)) => {
            let password =
                read_secret(&source(password)).map_err(|error| ClientError::Credentials(error.to_string()))?;
            Credentials::Basic(Login { user: user.clone(), password })
        }
        _ if api.netrc == Some(false) => Credentials::None,
        _ => Credentials::Netrc,
    };
    let trust = api.ca_file.as_deref().map_or(Ok(Trust::Machine), authorities)?;
    let command = match api.via {
        Via::Http => None,
        Via::AuroraAdmin => Some(tool(api.command.clone(), api.auth_mechanism.clone(), hosts)?),
    };
    // With Kerberos what is read is read as anybody: a ticket is the command's.
    let credentials = if command.is_some() { Credentials::None } else { credentials };
    Ok(ClientOptions { credentials, trust, command, ..ClientOptions::default() })
}

fn source(password: &Password) -> SecretSource {
    match password {
        Password::Env(name) => SecretSource::Env(name.clone()),
        Password::File(path) => SecretSource::File(PathBuf::from(path)),
    }
}

/// An ensemble, with the credentials that the inventory names for it.
pub fn ensemble_access(inventory: &Inventory, connect: &str) -> Result<EnsembleAccess, EnsembleError> {
    let ensemble = connect.parse()?;
    let digest = inventory.zookeeper_auth.as_ref().map(|place| read_secret(&source(place))).transpose()?;
    if digest.as_ref().is_some_and(|digest| !digest.expose().contains(':')) {
        let why = "what cluster.zookeeper_auth names does not hold user:password".to_owned();
        return Err(EnsembleError::Credentials(why));
    }
    Ok(EnsembleAccess { ensemble, digest })
}

/// `aurora_admin` on the operator's own machine.
pub fn tool(program: Vec<String>, auth_mechanism: Option<String>, hosts: &Hosts) -> Result<AdminTool, ClientError> {
    let own = hosts.get(&HostName::from(LOCAL));
    let own = own.ok_or_else(|| ClientError::Credentials("this machine is not among the hosts".to_owned()))?;
    Ok(AdminTool { program, auth_mechanism, runner: Arc::new(OnHost(own)) })
}

fn authorities(path: &str) -> Result<Trust, ClientError> {
    let failed = |why: String| ClientError::Credentials(format!("the authorities in {path}: {why}"));
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut pem = Vec::new();
    file.take(CA_BYTES_MAX as u64 + 1).read_to_end(&mut pem).map_err(|error| failed(error.to_string()))?;
    if pem.len() > CA_BYTES_MAX {
        return Err(failed(format!("the file has more than {CA_BYTES_MAX} bytes")));
    }
    Ok(Trust::Authorities(pem))
}

/// Runs commands on a host. They are not stopped in the middle: what a call has begun, only its end or its time tells.
#[derive(Debug)]
struct OnHost(Arc<dyn Host>);

#[async_trait]
impl RunCommand for OnHost {
    async fn run(
        &self,
        argv: Vec<String>,
        env: BTreeMap<String, String>,
        within: Duration,
    ) -> Result<AdminRan, String> {
        // What it logs comes on the other stream, and of that one only the end is kept.
        let shell = ["/bin/sh", "-c", "exec \"$@\" 2>&1", "sh"];
        let argv = shell.into_iter().map(str::to_owned).chain(argv).collect();
        let mut run = Run::new(argv, within);
        run.env = env;
        run.keep_bytes = PRINTED_BYTES_MAX;
        let ran = self.0.exec(&run, &Quiet, &Stop::never()).await.map_err(|error| error.to_string())?;
        let code = match ran.end {
            End::Exited(code) if !ran.stdout_cut => Some(code),
            _ => None,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(AdminRan { code, out: text(&ran.stdout), err: text(&ran.stderr) })
    }
}
