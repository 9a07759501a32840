//! Where a scheduler's flags are: a file in one of its forms, or behind two commands of the inventory.

use super::{
    scene::{Scene, Undone, untouched},
    service::{must_run, run},
};
use crate::{
    aurora::{
        flag_rules::{self, BadFlag, Knows},
        flags_file::{Edited, FlagsFile, Form},
        version::AuroraVersion,
    },
    hosts::{Attributes, End, FileKind, HostError, Quiet, Run},
    inventory::{FlagCommands, Managed, ServiceTemplates},
    runbook::{kind::Wanted, text::Text},
};
use std::collections::BTreeMap;

/// Bytes of a flags file; real ones have a few kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Mode of what stands for a file that is none: it may hold credentials.
const KEPT_MODE: u32 = 0o600;
/// The variable of a host that names the form, where the kind does not.
const FORM_VAR: &str = "flags_form";
/// The word for flags behind commands.
const BY_COMMAND: &str = "command";
/// Things that are wrong which are named at once.
const WRONG_MAX: usize = 5;

/// Where flags are, and how they are read and written there.
pub(super) struct Place<'a> {
    pub scene: &'a Scene<'a>,
    pub path: &'a str,
    how: How,
    service: Option<&'a ServiceTemplates>,
}

enum How {
    File(Option<Form>),
    Command(FlagCommands),
}

/// A flags file as it is.
pub(super) struct Current {
    pub bytes: Vec<u8>,
    pub attributes: Attributes,
}

impl<'a> Place<'a> {
    pub fn of(
        scene: &'a Scene<'a>,
        path: &'a Text,
        form: Option<&Text>,
        service: Option<&Text>,
    ) -> Result<Self, String> {
        let service = service.map(|name| scene.world.service(name)).transpose()?;
        let named = match form {
            Some(form) => Some(form.0.clone()),
            None => {
                let var = scene.world.inventory.host_var(scene.name, FORM_VAR);
                var.and_then(|value| value.as_str().map(str::to_owned))
            }
        };
        let how =
            match named.as_deref() {
                None => How::File(None),
                Some(BY_COMMAND) => {
                    let commands = service.and_then(|service| service.flags.clone());
                    How::Command(commands.ok_or(
                        "its flags are read and written by commands, and the inventory's service has no `flags`",
                    )?)
                }
                Some(word) => How::File(Some(Form::named(word).map_err(|error| error.to_string())?)),
            };
        Ok(Self { scene, path: path.as_str(), how, service })
    }

    pub async fn read(&self) -> Result<Option<Current>, Undone> {
        match &self.how {
            How::File(_) => read_file(self.scene, self.path).await,
            How::Command(commands) => {
                let (asked, ran) = run(self.scene, &commands.read, &Quiet).await?;
                if ran.end != End::Exited(0) || ran.stdout_cut {
                    let words = super::command::ended(&ran, &asked);
                    return Err(Undone::Failed(format!(
                        "the flags could not be read: {words}{}",
                        super::command::last_words(&ran)
                    )));
                }
                let directory = self.path.rsplit_once('/').map_or("/", |(above, _)| above);
                let above = self.scene.host.stat(directory).await.map_err(untouched)?;
                let above = above.ok_or_else(|| HostError::NotFound(directory.to_owned()))?;
                let attributes = Attributes { mode: KEPT_MODE, ..above.attributes };
                Ok(Some(Current { bytes: ran.stdout, attributes }))
            }
        }
    }

    pub fn parse(&self, bytes: &[u8]) -> Result<FlagsFile, String> {
        let form = match &self.how {
            How::File(form) => *form,
            How::Command(_) => Some(Form::Arguments),
        };
        FlagsFile::parse_as(bytes, form).map_err(|error| format!("{}: {error}", self.path))
    }

    /// True if two texts say the same: to the byte in a file, flag by flag behind commands.
    pub fn same(&self, one: &[u8], other: &[u8]) -> bool {
        match &self.how {
            How::File(_) => one == other,
            How::Command(_) => match (self.parse(one), self.parse(other)) {
                (Ok(one), Ok(other)) => sorted(&one) == sorted(&other),
                _ => one == other,
            },
        }
    }

    /// Writes, reads back, and tells the manager what it must be told.
    pub async fn write(&self, bytes: &[u8], like: &Attributes) -> Result<(), Undone> {
        match &self.how {
            How::File(_) => write_file(self.scene, self.path, bytes, like).await?,
            How::Command(commands) => {
                let argv = self.scene.world.render_all(self.scene.name, &commands.write).map_err(Undone::Failed)?;
                let mut run = Run::new(argv, self.scene.left());
                run.stdin = Some(bytes.to_vec());
                let ran = self.scene.host.exec(&run, self.scene.sink, self.scene.stop).await?;
                if ran.end != End::Exited(0) {
                    let words = super::command::ended(&ran, &run);
                    let why = format!("writing the flags: {words}{}", super::command::last_words(&ran));
                    return Err(Undone::InDoubt(why));
                }
                let back = self.read().await?.map(|current| current.bytes).unwrap_or_default();
                if !self.same(&back, bytes) {
                    return Err(Undone::InDoubt(
                        "the command that reads the flags does not show what was written".to_owned(),
                    ));
                }
            }
        }
        self.reload(bytes).await
    }

    /// Proves that what is there now is what is kept: by digest, or flag by flag behind commands.
    pub async fn proof(&self, keep: &str) -> Result<String, Undone> {
        match &self.how {
            How::File(_) => {
                let (host, path) = (&*self.scene.host, self.path);
                let unseen =
                    |error: HostError| Undone::InDoubt(format!("{path} was put back, but not compared: {error}"));
                let one = host.sha256(path).await.map_err(unseen)?;
                let other = host.sha256(keep).await.map_err(unseen)?;
                if one == other {
                    return Ok(format!("SHA-256 {one}"));
                }
                Err(Undone::InDoubt(format!("{path} has SHA-256 {one} and {keep} {other}: they must be equal")))
            }
            // The write was read back and compared.
            How::Command(_) => Ok("compared flag by flag".to_owned()),
        }
    }

    /// Tells the manager of a changed unit or job; one that is told twice does no harm.
    pub async fn reload(&self, bytes: &[u8]) -> Result<(), Undone> {
        let form = self.parse(bytes).map(|file| file.form());
        let told = match form {
            Ok(Form::Unit | Form::Job) => {
                self.service.and_then(|service| service.managed.as_ref()).map(Managed::reload)
            }
            Ok(Form::Variables | Form::Array | Form::Script | Form::Arguments) | Err(_) => return Ok(()),
        };
        let told = match (told, form) {
            (Some(told), _) => told,
            (None, Ok(Form::Unit)) => ["systemctl", "daemon-reload"].map(Text::from).to_vec(),
            // Upstart watches its directory.
            (None, _) => Vec::new(),
        };
        if told.is_empty() {
            return Ok(());
        }
        let failed = |why| Undone::Failed(format!("{} is written, but its manager was not told: {why}", self.path));
        must_run(self.scene, "reload", &told).await.map(drop).map_err(|undone| failed(undone.into_words()))
    }
}

/// Flags in an order of their own: a command may keep them in another.
fn sorted(file: &FlagsFile) -> Vec<(String, Option<String>)> {
    let mut all: Vec<_> = file.flags().flags.into_iter().map(|flag| (flag.name, flag.value)).collect();
    all.sort();
    all
}

pub(super) async fn read_file(scene: &Scene<'_>, path: &str) -> Result<Option<Current>, Undone> {
    let Some(stat) = scene.host.stat(path).await.map_err(untouched)? else { return Ok(None) };
    let attributes = if stat.kind == FileKind::Link {
        // The link's own mode says nothing; what is written takes the place of the file behind it.
        Attributes { mode: 0o644, ..stat.attributes }
    } else {
        stat.attributes
    };
    let bytes = scene.host.read_file(path, FILE_BYTES_MAX).await.map_err(untouched)?;
    Ok(Some(Current { bytes, attributes }))
}

pub(super) async fn write_file(scene: &Scene<'_>, path: &str, bytes: &[u8], like: &Attributes) -> Result<(), Undone> {
    let mut source = bytes;
    scene.host.write_atomic(path, &mut source, like, None).await?;
    let back = scene.host.read_file(path, FILE_BYTES_MAX).await;
    let back = back.map_err(|error| Undone::InDoubt(format!("{path} was written, but not read back: {error}")))?;
    if back == bytes {
        return Ok(());
    }
    Err(Undone::InDoubt(format!("{path} does not hold what was just written: someone else writes it too")))
}

/// What is wanted, after the release has decided what it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub set: BTreeMap<String, String>,
    pub unset: Vec<String>,
    pub version: AuroraVersion,
}

impl Asked {
    /// Decides; `has` says whether a flag is given already, which shows that its release knows it.
    pub fn of(wanted: Wanted<'_>, has: impl Fn(&str) -> bool) -> Result<Self, String> {
        let text = wanted.version.map(Text::as_str).unwrap_or_default();
        let version = AuroraVersion::parse(text).unwrap_or_default();
        let mut set: BTreeMap<String, String> =
            wanted.set.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect();
        for (name, value) in wanted.where_known {
            match flag_rules::knows(&version, name) {
                Knows::No => {}
                Knows::Unknown if !has(name) => {
                    return Err(format!(
                        "whether a scheduler of release {text:?} knows -{name} cannot be told, and one that does not know \
                         it does not start: say the release, as in 0.22.0"
                    ));
                }
                Knows::Yes | Knows::Unknown => {
                    set.insert(name.clone(), value.0.clone());
                }
            }
        }
        // What the release does not know and is not there need not be looked for.
        let matters = |name: &&String| has(name) || flag_rules::knows(&version, name) != Knows::No;
        let unset = wanted.unset.iter().filter(matters).cloned().collect();
        Ok(Self { set, unset, version })
    }

    /// Refuses what a scheduler of this release would not start with.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in &self.set {
            if flag_rules::knows(&self.version, name) == Knows::No {
                let (name, version) = (name.clone(), self.version.to_string());
                return Err(BadFlag::UnknownName { name, version }.to_string());
            }
            flag_rules::check_value(&self.version, name, Some(value)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The file as it becomes. Refused if a scheduler would not start with the whole of it.
    pub fn edit(&self, place: &Place<'_>, bytes: &[u8]) -> Result<Edited, Undone> {
        let failed = |why: String| Undone::Failed(format!("{}: {why}", place.path));
        let file = place.parse(bytes).map_err(Undone::Failed)?;
        let edited = file.edit(&self.set, &self.unset).map_err(|error| failed(error.to_string()))?;
        let after = place.parse(edited.text.as_bytes());
        let wrong = after.map(|file| flag_rules::check(&self.version, &file.flags())).unwrap_or_default();
        if wrong.is_empty() {
            return Ok(edited);
        }
        let words: Vec<String> = wrong.iter().take(WRONG_MAX).map(ToString::to_string).collect();
        Err(failed(words.join("; ")))
    }

    /// What could not be checked, in words; nothing where all of it was.
    pub fn unchecked(&self) -> Option<String> {
        self.version.is_unknown().then(|| {
            "the release is not known: only the rules that hold for every release were checked, and no names of flags"
                .to_owned()
        })
    }
}
