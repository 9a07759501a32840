//! Calls through `aurora_admin`, for clusters whose schedulers ask for Kerberos.
//!
//! Only what administrators may goes this way; reading calls and pages stay with HTTP, where schedulers take them from anybody. The command is
//! pointed at one scheduler by a `clusters.json` of our own in a directory that is removed afterwards. It is started once for a call and never
//! again; a list of staged tasks holds the active ones only, which is all that the command prints.

use super::error::{ClientError, Sent};
use crate::aurora::admin::{self, AdminCall, AdminError, AdminRan, AdminReply, CLUSTER};
use crate::aurora::api::{self, Method};
use crate::aurora::schema::{SetOf, Thrift as _};
use crate::aurora::types::{Response, ResultMember, TaskQuery};
use crate::aurora::value::Struct;
use async_trait::async_trait;
use reqwest::Url;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Runs a program of this machine.
#[async_trait]
pub trait RunCommand: Debug + Send + Sync {
    /// Runs it for at most that long, and ends it then. An error is one before it ran.
    async fn run(&self, argv: Vec<String>, env: BTreeMap<String, String>, within: Duration)
    -> Result<AdminRan, String>;
}

/// The command and how it is run.
#[derive(Clone, Debug)]
pub struct AdminTool {
    /// Program and first arguments; `aurora_admin` if there are none.
    pub program: Vec<String>,
    /// Its `auth_mechanism`, as `KERBEROS`.
    pub auth_mechanism: Option<String>,
    /// Runs it.
    pub runner: Arc<dyn RunCommand>,
}

impl AdminTool {
    /// The call of this method, if the command has it; none if it goes by HTTP.
    pub(super) fn takes(method: Method, args: &Struct) -> Result<Option<AdminCall>, ClientError> {
        let refuse = |why: &str| ClientError::Command { why: why.to_owned(), sent: Sent::No };
        Ok(Some(match method {
            Method::ListBackups => AdminCall::ListBackups,
            Method::StageRecovery => AdminCall::Stage(args.str(1).unwrap_or_default().to_owned()),
            Method::QueryRecovery => AdminCall::PrintTasks,
            Method::CommitRecovery => AdminCall::Commit,
            Method::UnloadRecovery => AdminCall::Unload,
            Method::PerformBackup => AdminCall::BackupNow,
            Method::Snapshot => AdminCall::Snapshot,
            Method::DeleteRecoveryTasks => {
                let query = api::query_of(args);
                let ids = query.task_ids.clone().unwrap_or_default().0;
                if ids.is_empty() || query != TaskQuery::ids(ids.iter().map(String::as_str)) {
                    return Err(refuse("aurora_admin deletes tasks by their ids only"));
                }
                if ids.iter().any(|id| id.is_empty() || id.starts_with('-') || id.contains([',', '\0'])) {
                    return Err(refuse("an id is empty, begins with a dash or holds a comma"));
                }
                if ids.iter().map(|id| id.len() + 1).sum::<usize>() > admin::IDS_BYTES_MAX {
                    return Err(refuse("these are more ids than one command line holds; delete fewer at once"));
                }
                AdminCall::DeleteTasks(ids)
            }
            Method::TriggerExplicitTaskReconciliation | Method::TriggerImplicitTaskReconciliation => {
                return Err(refuse(
                    "reconciliation cannot be triggered through aurora_admin from here; run it by hand",
                ));
            }
            _ => return Ok(None),
        }))
    }

    /// Runs one call against the scheduler at this address.
    pub(super) async fn call(
        &self,
        base: &Url,
        call: &AdminCall,
        bypass: bool,
        within: Duration,
    ) -> Result<AdminReply, AdminError> {
        let not_run = |error: std::io::Error| AdminError::NotRun(format!("its clusters.json: {error}"));
        let own = OwnConfig::write(base, self.auth_mechanism.as_deref()).map_err(not_run)?;
        let env = BTreeMap::from([("AURORA_CONFIG_ROOT".to_owned(), own.path().display().to_string())]);
        let ran = self.runner.run(call.argv(&self.program, bypass), env, within).await;
        admin::read(call, &ran.map_err(AdminError::NotRun)?)
    }
}

/// The answer in the form of one by HTTP.
pub(super) fn response(call: &AdminCall, reply: AdminReply, query: &TaskQuery) -> Response {
    let AdminReply { response, names, tasks } = reply;
    match call {
        AdminCall::ListBackups => response.with_result(ResultMember::ListBackups, SetOf(names).to_value()),
        AdminCall::PrintTasks => {
            let tasks: SetOf<_> = tasks.into_iter().filter(|task| query.matches(task)).collect();
            response.with_result(ResultMember::QueryRecovery, tasks.to_value())
        }
        _ => response,
    }
}

impl From<AdminError> for ClientError {
    fn from(error: AdminError) -> Self {
        let sent = match &error {
            AdminError::NotReached(_) | AdminError::NotAllowed(_) | AdminError::NotRun(_) => Sent::No,
            AdminError::Status { .. } | AdminError::NoResult(_) => Sent::Maybe,
        };
        Self::Command { why: error.to_string(), sent }
    }
}

/// A directory of one's own with a `clusters.json`, as long as it is needed.
struct OwnConfig(PathBuf);

impl OwnConfig {
    fn write(base: &Url, auth_mechanism: Option<&str>) -> std::io::Result<Self> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let at = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{CLUSTER}-{}-{at}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        let own = Self(path);
        let prefix = base.path().trim_end_matches('/');
        let prefix = prefix.strip_suffix("/api").unwrap_or(prefix);
        // `scheme://host:port`, without anything else that the address may hold.
        let uri = format!("{}{prefix}", base.origin().ascii_serialization());
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(own.0.join("clusters.json"))?;
        std::io::Write::write_all(&mut file, admin::clusters_json(&uri, auth_mechanism).as_bytes())?;
        Ok(own)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OwnConfig {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
