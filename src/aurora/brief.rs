//! A task as comparing and counting need it: borrowed, a few words wide.
//!
//! A reader that walks a file of a million tasks hands over one of these each, without building the whole struct; the same
//! view is made of a whole [`ScheduledTask`]. It holds no configuration beyond what says whose task it is and how large.

use super::types::{ScheduleStatus, ScheduledTask};

/// What counts of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskBrief<'a> {
    /// Id.
    pub id: &'a str,
    /// Role of its job; empty when the configuration does not say it, as for the next two.
    pub role: &'a str,
    /// Environment of its job.
    pub environment: &'a str,
    /// Name of its job.
    pub name: &'a str,
    /// Index within the job.
    pub instance: i32,
    /// State; the number on the wire.
    pub status: ScheduleStatus,
    /// Host, once assigned.
    pub host: Option<&'a str>,
    /// Agent, once assigned.
    pub agent_id: Option<&'a str>,
    /// The task that it replaced.
    pub ancestor_id: Option<&'a str>,
    /// Who is to be told, as the job's owner wrote it.
    pub contact_email: Option<&'a str>,
    /// User who made the job.
    pub user: Option<&'a str>,
    /// Long-running, as against one that ends by itself.
    pub is_service: bool,
    /// Name of the tier, or of what stood for it before tiers.
    pub tier: Option<&'a str>,
    /// Cores.
    pub cpus: Option<f64>,
    /// Memory in MiB.
    pub ram_mb: Option<i64>,
    /// Disk in MiB.
    pub disk_mb: Option<i64>,
    /// Newest change of state, in milliseconds since the epoch.
    pub newest_event_ms: Option<i64>,
}

impl<'a> TaskBrief<'a> {
    /// The view of a whole task.
    pub fn of(task: &'a ScheduledTask) -> Self {
        let assigned = &task.assigned_task;
        let config = assigned.task.as_ref();
        let (mut role, mut environment, mut name) = ("", "", "");
        if let Some(config) = config {
            if let Some(job) = &config.job {
                (role, environment, name) = (&job.role, &job.environment, &job.name);
            } else if let (Some(owner), Some(of), Some(called)) =
                (config.owner.as_ref().and_then(|owner| owner.role.as_deref()), &config.environment, &config.job_name)
            {
                (role, environment, name) = (owner, of, called);
            }
        }
        let (cpus, ram_mb, disk_mb) = config.map(super::types::TaskConfig::resources_flat).unwrap_or_default();
        Self {
            id: &assigned.task_id,
            role,
            environment,
            name,
            instance: assigned.instance_id,
            status: task.status,
            host: assigned.slave_host.as_deref(),
            agent_id: assigned.slave_id.as_deref(),
            ancestor_id: task.ancestor_id.as_deref(),
            contact_email: config.and_then(|config| config.contact_email.as_deref()),
            user: config.and_then(|config| config.owner.as_ref()?.user.as_deref()),
            is_service: config.and_then(|config| config.is_service).unwrap_or(false),
            tier: config.and_then(|config| config.tier.as_deref()),
            cpus,
            ram_mb,
            disk_mb,
            newest_event_ms: task.last_event_ms(),
        }
    }
}
