//! BASIC authentication in front of `/api`, as Shiro does it for the real scheduler: users, roles and permissions of an
//! INI file; without credentials whoever asks may only read.

use hyper::{HeaderMap, header};

use crate::aurora::{tjson, value::Message};

use super::core::Core;

/// The domain of calls that change jobs.
const MANAGER: &str = "thrift.AuroraSchedulerManager";
/// The domain of the administrator's calls.
const ADMIN: &str = "thrift.AuroraAdmin";
/// Calls that change jobs; the administrator's domain has the rest.
const MANAGED: [&str; 14] = [
    "createJob",
    "scheduleCronJob",
    "descheduleCronJob",
    "startCronJob",
    "restartShards",
    "killTasks",
    "addInstances",
    "replaceCronTemplate",
    "startJobUpdate",
    "pauseJobUpdate",
    "resumeJobUpdate",
    "abortJobUpdate",
    "rollbackJobUpdate",
    "pulseJobUpdate",
];
/// What a browser and `curl` are told to ask for.
pub const CHALLENGE: &str = "BASIC realm=\"Apache Aurora Scheduler\"";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Nobody looks.
    Unchecked,
    /// Somebody without credentials.
    Anonymous,
    /// Credentials that are wrong.
    Wrong,
    /// A user, with the permissions of all roles.
    User(String, Vec<String>),
}

/// Whether a call is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// It is.
    Yes,
    /// Not without credentials.
    Challenge,
    /// Not by this user: the words of the answer.
    No(String),
}

/// Who sent these headers.
pub fn who(core: &Core, headers: &HeaderMap) -> Who {
    if core.flags.text("http_authentication_mechanism") != "BASIC" {
        return Who::Unchecked;
    }
    let Some(given) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return Who::Anonymous;
    };
    let ini = std::fs::read_to_string(core.flags.text("shiro_ini_path")).unwrap_or_default();
    let pair = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let decoded = pair.and_then(|(_, text)| tjson::base64_decode(text.trim()));
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let Some((name, password)) = text.split_once(':') else { return Who::Wrong };
    let Some(line) = entry(&ini, "users", name) else { return Who::Wrong };
    let mut fields = line.split(',').map(str::trim);
    if fields.next() != Some(password) {
        return Who::Wrong;
    }
    let roles = fields.filter_map(|role| entry(&ini, "roles", role));
    Who::User(name.to_owned(), roles.flat_map(|line| line.split(',')).map(|one| one.trim().to_owned()).collect())
}

/// The value of a name in a section.
fn entry<'a>(ini: &'a str, section: &str, name: &str) -> Option<&'a str> {
    let mut inside = false;
    for line in ini.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = head == section;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside && !line.starts_with('#'))
            && key.trim() == name
        {
            return Some(value.trim());
        }
    }
    None
}

impl Who {
    /// Whether it may make this call.
    pub fn may(&self, message: &Message) -> Allowed {
        let rpc = message.name.as_str();
        let reads = rpc.starts_with("get") || rpc == "populateJobConfig";
        match self {
            Self::Unchecked => Allowed::Yes,
            Self::Wrong => Allowed::Challenge,
            _ if reads => Allowed::Yes,
            Self::Anonymous => Allowed::Challenge,
            Self::User(name, permissions) => {
                let domain = if MANAGED.contains(&rpc) { MANAGER } else { ADMIN };
                let fits =
                    |one: &String| one == "*" || *one == format!("{domain}:*") || *one == format!("{domain}:{rpc}");
                if permissions.iter().any(fits) {
                    return Allowed::Yes;
                }
                Allowed::No(format!(
                    "Subject {name} lacks permission UnscopedRpcPermission{{domain={domain}, rpc={rpc}}}"
                ))
            }
        }
    }

    /// Whether credentials came with the request: then the answer clears the cookie that would remember them.
    pub fn came_with_credentials(&self) -> bool {
        matches!(self, Self::Wrong | Self::User(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_kept_apart() {
        let ini = "[users]\n root = secret, admin\n# no = one\n[roles]\nadmin = *\nroot = nothing\n";
        assert_eq!(entry(ini, "users", "root"), Some("secret, admin"));
        assert_eq!(entry(ini, "roles", "root"), Some("nothing"));
        assert_eq!((entry(ini, "users", "admin"), entry(ini, "users", "no")), (None, None));
    }
}
