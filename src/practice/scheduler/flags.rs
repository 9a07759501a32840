//! The scheduler's command line, read by the rules of its own parser (`JCommander`, since 0.19).
//!
//! Pure: arguments in, checked flags or the parser's own words out. The table is what a real
//! scheduler of the same line prints at its start, with its defaults.

use std::{collections::BTreeMap, time::Duration};

use Kind::{Bool, Data, Endpoints, Int, Required, Text, Time};

/// What a flag's value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Required,
    Endpoints,
    Text,
    Int,
    Bool,
    Time,
    Data,
}

/// Every flag with its kind and default.
#[rustfmt::skip]
const TABLE: &[(&str, Kind, &str)] = &[
    ("allow_container_volumes", Bool, "false"),
    ("allow_docker_parameters", Bool, "true"),
    ("allow_gpu_resource", Bool, "false"),
    ("allowed_container_types", Text, "[MESOS, DOCKER]"),
    ("allowed_job_environments", Text, "^(prod|devel|test|staging\\d*)$"),
    ("async_slot_stat_update_interval", Time, "1mins"),
    ("async_task_stat_update_interval", Time, "1hrs"),
    ("async_worker_threads", Int, "8"),
    ("backup_dir", Required, "required"),
    ("backup_interval", Time, "1hrs"),
    ("cluster_name", Required, "required"),
    ("cron_scheduler_num_threads", Int, "10"),
    ("cron_scheduling_max_batch_size", Int, "10"),
    ("cron_start_initial_backoff", Time, "5secs"),
    ("cron_start_max_backoff", Time, "1mins"),
    ("cron_timezone", Text, "GMT"),
    ("custom_executor_config", Text, "null"),
    ("default_docker_parameters", Text, "[]"),
    ("dlog_max_entry_size", Data, "512KB"),
    ("dlog_snapshot_interval", Time, "1hrs"),
    ("enable_cors_for", Text, "null"),
    ("enable_mesos_fetcher", Bool, "false"),
    ("enable_preemptor", Bool, "true"),
    ("enable_revocable_cpus", Bool, "true"),
    ("enable_revocable_ram", Bool, "false"),
    ("enable_update_affinity", Bool, "false"),
    ("executor_user", Text, "root"),
    ("first_schedule_delay", Time, "1ms"),
    ("flapping_task_threshold", Time, "5mins"),
    ("framework_announce_principal", Bool, "false"),
    ("framework_authentication_file", Text, "null"),
    ("framework_failover_timeout", Time, "21days"),
    ("framework_name", Text, "Aurora"),
    ("global_container_mounts", Text, "[]"),
    ("history_max_per_job_threshold", Int, "100"),
    ("history_min_retention_threshold", Time, "1hrs"),
    ("history_prune_threshold", Time, "2days"),
    ("hold_offers_forever", Bool, "false"),
    ("host_maintenance_polling_interval", Time, "1mins"),
    ("hostname", Text, "null"),
    ("http_authentication_mechanism", Text, "NONE"),
    ("http_port", Int, "0"),
    ("initial_flapping_task_delay", Time, "30secs"),
    ("initial_schedule_penalty", Time, "1ms"),
    ("initial_task_kill_retry_interval", Time, "15secs"),
    ("ip", Text, "null"),
    ("job_update_history_per_job_threshold", Int, "10"),
    ("job_update_history_pruning_interval", Time, "15mins"),
    ("job_update_history_pruning_threshold", Time, "30days"),
    ("kerberos_debug", Bool, "false"),
    ("kerberos_server_keytab", Text, "null"),
    ("kerberos_server_principal", Text, "null"),
    ("max_flapping_task_delay", Time, "5mins"),
    ("max_leading_duration", Time, "1days"),
    ("max_parallel_coordinated_maintenance", Int, "10"),
    ("max_registration_delay", Time, "1mins"),
    ("max_reschedule_task_delay_on_startup", Time, "30secs"),
    ("max_saved_backups", Int, "48"),
    ("max_schedule_attempts_per_sec", Text, "2000.0"),
    ("max_schedule_penalty", Time, "1mins"),
    ("max_sla_duration_secs", Time, "2hrs"),
    ("max_status_update_batch_size", Int, "1000"),
    ("max_task_event_batch_size", Int, "300"),
    ("max_tasks_per_job", Int, "5000"),
    ("max_tasks_per_schedule_attempt", Int, "50"),
    ("max_update_instance_failures", Int, "20000"),
    ("mesos_driver", Text, "SCHEDULER_DRIVER"),
    ("mesos_master_address", Required, "required"),
    ("mesos_role", Text, "null"),
    ("min_offer_hold_time", Time, "5mins"),
    ("min_required_instances_for_sla_check", Int, "20"),
    ("native_log_election_retries", Int, "20"),
    ("native_log_election_timeout", Time, "15secs"),
    ("native_log_file_path", Text, "null"),
    ("native_log_quorum_size", Int, "1"),
    ("native_log_read_timeout", Time, "5secs"),
    ("native_log_write_timeout", Time, "3secs"),
    ("native_log_zk_group_path", Text, "null"),
    ("offer_filter_duration", Time, "5secs"),
    ("offer_hold_jitter_window", Time, "1mins"),
    ("offer_order", Text, "[RANDOM]"),
    ("offer_reservation_duration", Time, "3mins"),
    ("offer_set_module", Text, "class org.apache.aurora.scheduler.offers.OfferManagerModule$OfferSetModule"),
    ("offer_static_ban_cache_max_size", Text, "9223372036854775807"),
    ("partition_aware", Bool, "false"),
    ("populate_discovery_info", Bool, "false"),
    ("preemption_delay", Time, "3mins"),
    ("preemption_reservation_max_batch_size", Int, "5"),
    ("preemption_slot_finder_modules", Text, "[class org.apache.aurora.scheduler.preemptor.PendingTaskProcessorModule, class org.apache.aurora.scheduler.preemptor.PreemptionVictimFilterModule]"),
    ("preemption_slot_hold_time", Time, "5mins"),
    ("preemption_slot_search_initial_delay", Time, "3mins"),
    ("preemption_slot_search_interval", Time, "1mins"),
    ("receive_revocable_resources", Bool, "false"),
    ("reconciliation_explicit_batch_interval", Time, "5secs"),
    ("reconciliation_explicit_batch_size", Int, "1000"),
    ("reconciliation_explicit_interval", Time, "60mins"),
    ("reconciliation_implicit_interval", Time, "60mins"),
    ("reconciliation_initial_delay", Time, "1mins"),
    ("reconciliation_schedule_spread", Time, "30mins"),
    ("require_docker_use_executor", Bool, "false"),
    ("scheduling_max_batch_size", Int, "3"),
    ("serverset_endpoint_name", Text, "http"),
    ("serverset_path", Required, "required"),
    ("shiro_after_auth_filter", Text, "null"),
    ("shiro_credentials_matcher", Text, "class org.apache.shiro.authc.credential.SimpleCredentialsMatcher"),
    ("shiro_ini_path", Text, "null"),
    ("shiro_realm_modules", Text, "[class org.apache.aurora.scheduler.http.api.security.IniShiroRealmModule]"),
    ("sla_aware_action_max_batch_size", Int, "300"),
    ("sla_aware_kill_non_prod", Bool, "false"),
    ("sla_aware_kill_retry_max_delay", Time, "5mins"),
    ("sla_aware_kill_retry_min_delay", Time, "1mins"),
    ("sla_coordinator_timeout", Time, "1mins"),
    ("sla_non_prod_metrics", Text, "[]"),
    ("sla_prod_metrics", Text, "[JOB_UPTIMES, PLATFORM_UPTIME, MEDIANS]"),
    ("sla_stat_refresh_interval", Time, "1mins"),
    ("stat_retention_period", Time, "1hrs"),
    ("stat_sampling_interval", Time, "1secs"),
    ("task_assigner_modules", Text, "[class org.apache.aurora.scheduler.scheduling.TaskAssignerImplModule]"),
    ("thermos_executor_cpu", Text, "0.25"),
    ("thermos_executor_flags", Text, "null"),
    ("thermos_executor_path", Text, "null"),
    ("thermos_executor_ram", Data, "128MB"),
    ("thermos_executor_resources", Text, "[]"),
    ("thermos_home_in_sandbox", Bool, "false"),
    ("thrift_method_interceptor_modules", Text, "[]"),
    ("tier_config", Text, "null"),
    ("transient_task_state_timeout", Time, "5mins"),
    ("unavailability_threshold", Time, "6mins"),
    ("update_affinity_reservation_hold_time", Time, "3mins"),
    ("viz_job_url_prefix", Text, ""),
    ("webhook_config", Text, "null"),
    ("zk_chroot_path", Text, "null"),
    ("zk_connection_timeout", Time, "10secs"),
    ("zk_digest_credentials", Text, "null"),
    ("zk_endpoints", Endpoints, "required"),
    ("zk_in_proc", Bool, "false"),
    ("zk_session_timeout", Time, "15secs"),
];

/// Units of time amounts, exactly as they must be written.
const TIME_UNITS: [(&str, f64); 7] =
    [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("secs", 1.0), ("mins", 60.0), ("hrs", 3600.0), ("days", 86_400.0)];

/// Units of data amounts.
const DATA_UNITS: [&str; 9] = ["BITS", "Kb", "Mb", "Gb", "BYTES", "KB", "MB", "GB", "TB"];

/// Checked flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    values: BTreeMap<&'static str, String>,
}

impl Flags {
    /// Reads the arguments after the class name. The error is what the real parser says.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut given: BTreeMap<&'static str, String> = BTreeMap::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let not_ours =
                || format!("Was passed main parameter '{arg}' but no main parameter was defined in your arg class");
            let bare = arg.strip_prefix('-').ok_or_else(not_ours)?;
            let (name, value) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            let &(name, kind, _) = TABLE.iter().find(|row| row.0 == name).ok_or_else(not_ours)?;
            let value = match value {
                Some(value) => value,
                None => args.next().ok_or_else(|| format!("Expected a value after parameter -{name}"))?.clone(),
            };
            check(name, kind, &value)?;
            if given.insert(name, value).is_some() {
                return Err(format!("Can only specify option -{name} once."));
            }
        }
        let missing: Vec<String> = TABLE
            .iter()
            .filter(|row| matches!(row.1, Required | Endpoints) && !given.contains_key(row.0))
            .map(|row| format!("[-{}]", row.0))
            .collect();
        match missing.len() {
            0 => Ok(Self { values: given }),
            1 => Err(format!("The following option is required: {}", missing.join(""))),
            _ => Err(format!("The following options are required: {}", missing.join(", "))),
        }
    }

    /// A flag's value as it was written, or its default; empty for one that is not set.
    pub fn text(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(value) => value,
            None => match default_of(name) {
                "null" => "",
                value => value,
            },
        }
    }

    /// A time amount.
    pub fn time(&self, name: &str) -> Duration {
        parse_time(self.text(name)).map(|(_, duration)| duration).unwrap_or_default()
    }

    /// A time amount as the scheduler prints it: `(360, mins)`.
    pub fn time_text(&self, name: &str) -> String {
        parse_time(self.text(name)).map(|(text, _)| text).unwrap_or_default()
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// A size in bytes.
    pub fn bytes(&self, name: &str) -> usize {
        let text = self.text(name);
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match text.get(digits.len()..) {
            Some("KB") => 1 << 10,
            Some("MB") => 1 << 20,
            Some("GB") => 1 << 30,
            _ => 1,
        };
        digits.parse::<usize>().unwrap_or(0).saturating_mul(factor)
    }

    /// `-name: value` for every flag, sorted, as the scheduler prints them.
    pub fn printed(&self) -> Vec<String> {
        let rows = TABLE.iter().map(|&(name, kind, default)| {
            let value = self.values.get(name).map_or(default, String::as_str);
            let shown = match kind {
                Time => parse_time(value).map_or_else(|| value.to_owned(), |(text, _)| text),
                Data => split_amount(value).map_or_else(|| value.to_owned(), |(n, unit)| format!("({n}, {unit})")),
                Endpoints => {
                    let unresolved = |endpoint: &str| match endpoint.split_once(':') {
                        Some((host, port)) => format!("{host}/<unresolved>:{port}"),
                        None => endpoint.to_owned(),
                    };
                    format!("[{}]", value.split(',').map(unresolved).collect::<Vec<_>>().join(", "))
                }
                Required | Text | Int | Bool => value.to_owned(),
            };
            format!("-{name}: {shown}")
        });
        rows.collect()
    }
}

fn default_of(name: &str) -> &'static str {
    TABLE.iter().find(|row| row.0 == name).map_or("null", |row| row.2)
}

fn check(name: &str, kind: Kind, value: &str) -> Result<(), String> {
    let refuse = |to: &str| Err(format!("\"-{name}\": couldn't convert \"{value}\" to {to}"));
    match kind {
        Required | Text => Ok(()),
        Int => value.parse::<i32>().map_or_else(|_| refuse("an integer"), |_| Ok(())),
        Bool => match value {
            "true" | "false" => Ok(()),
            _ => refuse("a boolean"),
        },
        Endpoints => {
            let fits = |endpoint: &str| endpoint.split_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            if value.split(',').all(fits) { Ok(()) } else { refuse("an IP address and port") }
        }
        Time => match (split_amount(value), parse_time(value)) {
            (None, _) => refuse("must be of the format 1ns, 2secs, etc."),
            (Some(_), None) => refuse("one of [ns, us, ms, secs, mins, hrs, days]"),
            (Some(_), Some(_)) => Ok(()),
        },
        Data => match split_amount(value) {
            None => refuse("must be of the format 1KB, 2GB, etc."),
            Some((_, unit)) if !DATA_UNITS.contains(&unit) => refuse(&format!("one of [{}]", DATA_UNITS.join(", "))),
            Some(_) => Ok(()),
        },
    }
}

/// `360mins` in its two parts.
fn split_amount(value: &str) -> Option<(u32, &str)> {
    let letters = value.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = value.split_at(letters);
    let fits = unit.chars().all(|c| c.is_ascii_alphabetic());
    number.parse().ok().filter(|_| fits).map(|number| (number, unit))
}

fn parse_time(value: &str) -> Option<(String, Duration)> {
    let (number, unit) = split_amount(value)?;
    let (unit, seconds) = TIME_UNITS.iter().find(|(name, _)| *name == unit)?;
    Some((format!("({number}, {unit})"), Duration::from_secs_f64(f64::from(number) * seconds)))
}

/// Whether libmesos takes this as a master: the text is its own error.
pub fn check_master_address(address: &str) -> Result<(), String> {
    let Some(rest) = address.strip_prefix("zk://") else {
        return Ok(());
    };
    match rest.split_once('/') {
        Some((_, path)) if !path.is_empty() => Ok(()),
        _ => Err("Expecting a (chroot) path for ZooKeeper ('/' is not supported)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &[&str]) -> Result<Flags, String> {
        let given = [
            "-backup_dir=/b",
            "-cluster_name=practice",
            "-mesos_master_address=zk://127.0.0.1:2181/mesos",
            "-serverset_path=/aurora/scheduler",
            "-zk_endpoints=127.0.0.1:2181",
        ];
        let args: Vec<String> = given.iter().chain(extra).map(|arg| (*arg).to_owned()).collect();
        Flags::parse(&args)
    }

    #[test]
    fn the_parser_refuses_what_the_real_one_refuses() {
        let table = [
            ("-max_registration_delay=360min", "couldn't convert \"360min\" to one of [ns, us, ms, secs, mins"),
            ("-max_registration_delay=six", "must be of the format"),
            ("-cluster_name=other", "Can only specify option -cluster_name once."),
            ("-gc_executor_path=/x", "Was passed main parameter '-gc_executor_path=/x'"),
            ("stray", "Was passed main parameter 'stray'"),
            ("-http_port=web", "to an integer"),
        ];
        for (flag, words) in table {
            let error = parse(&[flag]).unwrap_err();
            assert!(error.contains(words), "{flag}: {error}");
        }
        let none = Flags::parse(&[]).unwrap_err();
        assert!(none.starts_with("The following options are required: [-backup_dir], [-cluster_name]"), "{none}");
    }

    #[test]
    fn amounts_are_read_and_printed() {
        let flags = parse(&["-max_registration_delay=360mins", "-reconciliation_initial_delay", "365days"]).unwrap();
        assert_eq!(flags.time("max_registration_delay"), Duration::from_hours(6));
        assert_eq!(flags.time_text("reconciliation_initial_delay"), "(365, days)");
        assert_eq!(flags.bytes("dlog_max_entry_size"), 512 << 10);
        let printed = flags.printed();
        assert!(printed.contains(&"-max_registration_delay: (360, mins)".to_owned()));
        assert!(printed.contains(&"-zk_endpoints: [127.0.0.1/<unresolved>:2181]".to_owned()));
    }

    #[test]
    fn a_master_address_needs_a_path() {
        assert!(check_master_address("zk://localhost:1111/mesos/master").is_ok());
        assert!(check_master_address("127.0.0.1:5050").is_ok());
        assert!(check_master_address("zk://localhost:2181").is_err());
        assert!(check_master_address("zk://localhost:2181/").is_err());
    }
}
