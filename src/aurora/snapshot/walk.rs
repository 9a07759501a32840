//! The walk over a snapshot: one element after another, none of them kept.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method's path is not general over both lifetimes")]

use super::look::Look;
use super::skim::{Cursor, Skimmed, Stop};
use super::source::Source;
use super::strange::{FieldCounts, Odd};
use super::task;
use super::text::Utf8Check;
use crate::aurora::brief::TaskBrief;
use crate::aurora::tbinary::{Reader, TBinaryError};
use crate::aurora::types::{
    HostAttributes, HostMaintenanceRequest, QuotaConfiguration, SchedulerMetadata, StoredCronJob,
    StoredJobUpdateDetails,
};
use crate::aurora::value::{Struct, TType};
use std::io::Read;
use thiserror::Error;

/// The most values one element other than a task is built of: an update of a job with 100,000 instances has about a million.
const ELEMENT_VALUES_MAX: u64 = 2_000_000;
/// Top-level fields that are remembered as strange; damage makes more of them than anybody reads.
const STRANGE_FIELDS_MAX: usize = 64;

/// Takes what [`walk_from`] finds, in the order of the file. Everything but a task is handed over whole.
pub trait BriefSink {
    /// A task.
    fn task(&mut self, _task: &TaskBrief<'_>) {}
    /// A cron job.
    fn cron_job(&mut self, _job: StoredCronJob) {}
    /// A quota.
    fn quota(&mut self, _quota: QuotaConfiguration) {}
    /// A host.
    fn host(&mut self, _host: HostAttributes) {}
    /// A job update.
    fn job_update(&mut self, _update: StoredJobUpdateDetails) {}
    /// A lock.
    fn lock(&mut self, _lock: Struct) {}
    /// A wish for maintenance.
    fn maintenance_request(&mut self, _request: HostMaintenanceRequest) {}
}

/// Why a walk ended early.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalkError {
    /// The bytes are not a snapshot, or not all of one.
    #[error(transparent)]
    Bytes(#[from] TBinaryError),
    /// The stream failed. Says nothing of the bytes that were not read.
    #[error("reading fails after {at} bytes: {message}")]
    Read {
        /// Bytes read before.
        at: u64,
        /// The cause.
        message: String,
    },
    /// One element takes more than is held in memory.
    #[error("the element at byte {at} takes more than {limit} bytes, the most that is held in memory")]
    ElementTooLarge {
        /// Offset of the element.
        at: u64,
        /// The limit.
        limit: u64,
    },
    /// One element is built of more values than are held in memory.
    #[error("the element at byte {at} is built of more than {limit} values, the most that are held in memory")]
    TooManyValues {
        /// Offset of the element.
        at: u64,
        /// The limit.
        limit: u64,
    },
    /// The stream goes on beyond what is read of any.
    #[error("longer than {limit} bytes, the most that is read")]
    TooLong {
        /// The limit.
        limit: u64,
    },
}

/// What a walk saw besides the elements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walked {
    /// Bytes of the whole stream, as far as it could be read.
    pub size: u64,
    /// The first byte ends the struct.
    pub starts_with_end: bool,
    /// Field 1, if it was met.
    pub timestamp_ms: Option<i64>,
    /// Field 6, if it was met.
    pub metadata: Option<SchedulerMetadata>,
    /// Statements of field 11.
    pub db_statements: u64,
    /// Field 12.
    pub experimental_task_store: bool,
    /// Top-level fields that no release has, or of another type than declared; each once, the first 64.
    pub strange_fields: Vec<i16>,
    /// Fields within the elements that no release up to 0.23 has.
    pub unknown: FieldCounts,
    /// Fields within the elements that are of another type than declared.
    pub mistyped: FieldCounts,
    /// Strings that are not UTF-8. No release writes one.
    pub not_utf8: u64,
    /// Offset after the last byte that was understood.
    pub end: u64,
    /// Bytes after the closing byte.
    pub trailing: u64,
    /// Why the walk ended early.
    pub error: Option<WalkError>,
}

/// Walks a snapshot to its end or to the first byte that cannot be understood, and reads the stream to its end.
pub fn walk_from(read: impl Read, sink: &mut dyn BriefSink) -> Walked {
    let mut walk = Walk::new(read, sink);
    let error = walk.fields().err();
    walk.finish(error)
}

pub(super) struct Walk<'s, R> {
    pub(super) source: Source<R>,
    pub(super) sink: &'s mut dyn BriefSink,
    walked: Walked,
    odd: Odd,
    /// What does not fit in the element at hand, kept apart because it may have to be begun again.
    of_one: Odd,
}

impl<'s, R: Read> Walk<'s, R> {
    pub(super) fn new(read: R, sink: &'s mut dyn BriefSink) -> Self {
        Self { source: Source::new(read), sink, walked: Walked::default(), odd: Odd::default(), of_one: Odd::default() }
    }

    /// Reads the rest of the stream and says what was seen.
    pub(super) fn finish(self, error: Option<WalkError>) -> Walked {
        let Walk { mut source, mut walked, odd, .. } = self;
        walked.end = match &error {
            Some(WalkError::Bytes(error)) => error.offset() as u64,
            _ => source.offset(),
        };
        let drained = match &error {
            // The stream has no more to give.
            Some(WalkError::Read { at, .. }) => Ok(*at),
            Some(WalkError::TooLong { limit }) => Ok(*limit),
            _ => source.drain(),
        };
        (walked.size, walked.error) = match (drained, error) {
            (Ok(size), error) => (size, error),
            // What was understood to be damaged is damaged whatever follows.
            (Err(_), Some(error)) => (source.offset(), Some(error)),
            (Err(failed), None) => (source.offset(), Some(failed)),
        };
        walked.trailing = if walked.error.is_none() { walked.size - walked.end } else { 0 };
        walked.unknown = odd.unknown.into();
        walked.mistyped = odd.mistyped.into();
        walked.not_utf8 = odd.not_utf8;
        walked
    }

    /// The fields of a snapshot, up to its closing byte.
    pub(super) fn fields(&mut self) -> Result<(), WalkError> {
        self.walked.starts_with_end = self.source.need(1)?.first() == Some(&0);
        while let Some((id, ttype)) = self.field()? {
            match (id, ttype) {
                (1, TType::I64) => self.walked.timestamp_ms = Some(i64::from_be_bytes(self.source.take()?)),
                (3, TType::Set) => self.each(id, |walk, host| walk.sink.host(host))?,
                (4, TType::Set) => self.tasks()?,
                (5, TType::Set) => self.each(id, |walk, job| walk.sink.cron_job(job))?,
                (6, TType::Struct) => self.walked.metadata = Some(self.decoded()?),
                (8, TType::Set) => self.each(id, |walk, quota| walk.sink.quota(quota))?,
                (9, TType::Set) => self.each(id, |walk, lock| walk.sink.lock(lock))?,
                (10, TType::Set) => self.each(id, |walk, update| walk.sink.job_update(update))?,
                (11, TType::List) => self.statements()?,
                (12, TType::Bool) => self.walked.experimental_task_store = self.source.take::<1>()? != [0],
                (13, TType::Set) => self.each(id, |walk, request| walk.sink.maintenance_request(request))?,
                _ => {
                    self.strange_field(id);
                    self.skip(ttype)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn field(&mut self) -> Result<Option<(i16, TType)>, WalkError> {
        if self.source.need(1)?.first() == Some(&0) {
            self.source.consume(1);
            return Ok(None);
        }
        self.skimmed(|cursor| cursor.field())
    }

    /// Lets `read` read an element from the window, again from its start with a wider window for as long as it lacks bytes.
    pub(super) fn skimmed<T>(
        &mut self,
        mut read: impl FnMut(&mut Cursor<'_, '_>) -> Skimmed<T>,
    ) -> Result<T, WalkError> {
        loop {
            let mut cursor = Cursor::new(self.source.window(), self.source.offset(), &mut self.of_one);
            match read(&mut cursor) {
                Ok(element) => {
                    let used = cursor.used();
                    self.source.consume(used);
                    self.odd.take(&mut self.of_one);
                    return Ok(element);
                }
                Err(Stop::Bad(error)) => return Err(error.into()),
                Err(Stop::More { at, needed }) => {
                    self.of_one.clear();
                    if !self.source.more()? {
                        return Err(TBinaryError::Truncated { at, needed }.into());
                    }
                }
            }
        }
    }

    /// Head of a set or list whose elements should be of this type; whether they are.
    pub(super) fn head(&mut self, id: i16, wanted: TType) -> Result<(TType, usize, bool), WalkError> {
        let (elem, count) = self.skimmed(|cursor| cursor.seq_head())?;
        let right = count == 0 || elem == wanted;
        if !right {
            self.strange_field(id);
        }
        Ok((elem, count, right))
    }

    fn tasks(&mut self) -> Result<(), WalkError> {
        let (elem, count, right) = self.head(4, TType::Struct)?;
        if !right {
            return self.skip_items(elem, count);
        }
        for _ in 0..count {
            self.task()?;
        }
        Ok(())
    }

    fn task(&mut self) -> Result<(), WalkError> {
        self.element(|cursor, sink| {
            sink.task(&task::task(cursor)?);
            Ok(())
        })
    }

    /// Lets `read` read an element from the window and hand it over, once all of it is in the window.
    pub(super) fn element<T>(
        &mut self,
        mut read: impl FnMut(&mut Cursor<'_, '_>, &mut dyn BriefSink) -> Skimmed<T>,
    ) -> Result<T, WalkError> {
        loop {
            let mut cursor = Cursor::new(self.source.window(), self.source.offset(), &mut self.of_one);
            match read(&mut cursor, self.sink) {
                Ok(element) => {
                    let used = cursor.used();
                    self.source.consume(used);
                    self.odd.take(&mut self.of_one);
                    return Ok(element);
                }
                Err(Stop::Bad(error)) => return Err(error.into()),
                Err(Stop::More { at, needed }) => {
                    self.of_one.clear();
                    if !self.source.more()? {
                        return Err(TBinaryError::Truncated { at, needed }.into());
                    }
                }
            }
        }
    }

    fn each<T: Look>(&mut self, id: i16, mut take: impl FnMut(&mut Self, T)) -> Result<(), WalkError> {
        let (elem, count, right) = self.head(id, TType::Struct)?;
        if !right {
            return self.skip_items(elem, count);
        }
        for _ in 0..count {
            let element = self.decoded()?;
            take(self, element);
        }
        Ok(())
    }

    /// Decodes one struct whole.
    fn decoded<T: Look>(&mut self) -> Result<T, WalkError> {
        let at = self.source.offset();
        let fields = self.skimmed(|cursor| {
            let bytes = cursor.of_struct()?;
            Ok(Reader::with_limit(bytes, ELEMENT_VALUES_MAX).structure())
        })?;
        let fields = fields.map_err(|error| match error {
            TBinaryError::TooMany { limit, .. } => WalkError::TooManyValues { at, limit },
            other => other.into(),
        })?;
        let element = T::of(fields);
        element.look(&mut self.odd);
        Ok(element)
    }

    fn statements(&mut self) -> Result<(), WalkError> {
        let (elem, count, right) = self.head(11, TType::String)?;
        self.skip_items(elem, count)?;
        self.walked.db_statements += if right { count as u64 } else { 0 };
        Ok(())
    }

    fn strange_field(&mut self, id: i16) {
        let fields = &mut self.walked.strange_fields;
        if fields.len() < STRANGE_FIELDS_MAX && !fields.contains(&id) {
            fields.push(id);
        }
    }

    /// Steps over a field of the snapshot. Of a container only one element at a time has to be in the window, of a text nothing.
    pub(super) fn skip(&mut self, ttype: TType) -> Result<(), WalkError> {
        match ttype {
            TType::String => self.skip_text(),
            TType::Set | TType::List => {
                let (elem, count) = self.skimmed(|cursor| cursor.seq_head())?;
                self.skip_items(elem, count)
            }
            TType::Map => {
                let (key, value, count) = self.skimmed(|cursor| cursor.map_head())?;
                for _ in 0..count {
                    self.skimmed(|cursor| cursor.skip(key, 1))?;
                    self.skimmed(|cursor| cursor.skip(value, 1))?;
                }
                Ok(())
            }
            other => self.skimmed(|cursor| cursor.skip(other, 1)),
        }
    }

    pub(super) fn skip_items(&mut self, elem: TType, count: usize) -> Result<(), WalkError> {
        for _ in 0..count {
            match elem {
                TType::String => self.skip_text()?,
                _ => self.skimmed(|cursor| cursor.skip(elem, 1))?,
            }
        }
        Ok(())
    }

    fn skip_text(&mut self) -> Result<(), WalkError> {
        let at = usize::try_from(self.source.offset()).unwrap_or(usize::MAX);
        let length = i32::from_be_bytes(self.source.take()?);
        let mut left = usize::try_from(length).map_err(|_| TBinaryError::NegativeLength { at, length })?;
        let mut check = Utf8Check::default();
        while left > 0 {
            let window = self.source.window();
            let piece = window.get(..left).unwrap_or(window);
            check.push(piece);
            let count = piece.len();
            self.source.consume(count);
            left -= count;
            if left > 0 && !self.source.more()? {
                return Err(TBinaryError::Truncated { at, needed: left }.into());
            }
        }
        self.odd.not_utf8 += u64::from(!check.is_text());
        Ok(())
    }
}
