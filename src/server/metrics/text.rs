//! The figures as OpenMetrics text.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_lock::Mutex;
use async_std::task::spawn_blocking;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use rustix::fs::statvfs;

use crate::budget::BudgetUse;
use crate::files::NodePlace;
use crate::limits;
use crate::machine::turns::Load;
use crate::server::Shared;
use crate::server::desk::action::Action;
use crate::server::door::admission::ConnectionPlaces;
use crate::server::door::login_queue::LoginLoad;
use crate::server::events::{Credential, Protocol};

/// Where the figures are.
pub struct Figures {
    /// Not kept from its end.
    shared: Weak<Shared>,
    /// The data folder, if the homes are in one.
    data: Option<PathBuf>,
    /// The last that were told, and when.
    told: Mutex<Option<(Instant, Arc<str>)>>,
}

/// Those of a server that is there.
struct Present {
    figures: Arc<Figures>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Present")
    }
}

/// One name, and what is told under it.
struct Metrics<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Metrics<'_, '_> {
    fn family<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        (help, unit, kind): (&str, Option<Unit>, MetricType),
        rows: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        rows.into_iter().try_for_each(|(labels, value)| match kind {
            MetricType::Counter => encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None),
            _ => encoder.encode_family(&labels)?.encode_gauge(&gauge(value)),
        })
    }

    fn counters<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        self.family(name, (help, None, MetricType::Counter), rows)
    }

    fn bytes<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        (help, kind): (&str, MetricType),
        rows: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        self.family(name, (help, Some(Unit::Bytes), kind), rows)
    }

    fn gauges<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        self.family(name, (help, None, MetricType::Gauge), rows)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&gauge(value))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut encoder: MetricEncoder<'_> = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Figures {
    /// Those of this server, whose homes are in this folder.
    pub fn new(shared: &Arc<Shared>, data: Option<PathBuf>) -> Figures {
        Figures { shared: Arc::downgrade(shared), data, told: Mutex::default() }
    }

    /// The server, if it is there.
    pub fn shared(&self) -> Weak<Shared> {
        self.shared.clone()
    }

    /// All of them, no older than [`limits::METRICS_FRESH`]; none if the server is over.
    pub async fn text(self: &Arc<Self>) -> Option<Arc<str>> {
        // Whoever comes meanwhile waits for what this one gets.
        let mut told = self.told.lock().await;
        if let Some((at, text)) = &*told
            && at.elapsed() < limits::METRICS_FRESH
        {
            return Some(text.clone());
        }
        let present = Present { figures: self.clone(), shared: self.shared.upgrade()? };
        let text: Arc<str> = spawn_blocking(move || present.text()).await.ok()?.into();
        *told = Some((Instant::now(), text.clone()));
        Some(text)
    }
}

impl Present {
    fn text(self) -> Result<String, fmt::Error> {
        let mut registry = prometheus_client::registry::Registry::with_prefix("sealift");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl prometheus_client::collector::Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut metrics = Metrics(&mut encoder);
        self.tell_of_the_server(&mut metrics)?;
        self.tell_of_its_machine(&mut metrics)?;
        self.tell_of_who_is_there(&mut metrics)?;
        self.tell_of_work(&mut metrics)?;
        self.tell_of_operations(&mut metrics)?;
        self.tell_of_the_storage(&mut metrics)
    }
}

impl Present {
    fn tell_of_the_server(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let registry = &self.shared.registry;
        let mut version = metrics.0.encode_descriptor("build", "The program that runs", None, MetricType::Info)?;
        version.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        metrics.gauge("uptime_seconds", "How long the server has been running", registry.uptime().as_secs())?;
        metrics.counter("panics", "Faults in Sealift that ended a connection", registry.panics())?;
        metrics.counter(
            "rot_found",
            "Readings whose bytes were not those that were stored",
            registry.counters().rot.get(),
        )?;
        let outdated = u64::from(self.shared.users.file_trouble().outdated.is_some());
        metrics.gauge(
            "users_file_outdated",
            "1 while the users file cannot be used, and an earlier one is in force",
            outdated,
        )?;
        if let Some(place) = registry.kept_in().node_place() {
            let is_it = |one: NodePlace| ([("place", one.word())], u64::from(one == place));
            let rows = [NodePlace::Held, NodePlace::Unsure, NodePlace::Lost].map(is_it);
            metrics.gauges("node", "1 for how this server is placed among several of one folder", rows)?;
        }
        if let Some(audit) = registry.telling().audit() {
            metrics.counter("audit_lost_lines", "Lines of the audit that found no room", audit.lost())?;
        }
        Ok(())
    }

    fn tell_of_its_machine(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        if let Some(free) = self.figures.data.as_ref().and_then(|data| statvfs(data).ok()) {
            let help = ("Room on the disk of the data folder", MetricType::Gauge);
            let rows = [("available", free.f_bavail), ("total", free.f_blocks)];
            let rows = rows.map(|(what, blocks)| ([("room", what)], blocks.saturating_mul(free.f_frsize)));
            metrics.bytes("disk", help, rows)?;
            let rows =
                [("available", free.f_favail), ("total", free.f_files)].map(|(what, files)| ([("room", what)], files));
            metrics.gauges("disk_files", "Files that the disk of the data folder has room for", rows)?;
        }
        let (pinned, web) = self.shared.certificates_end();
        let ends = [("pinned", pinned), ("web", web)];
        let rows = ends.into_iter().filter_map(|(which, ends)| Some(([("certificate", which)], seconds(ends?))));
        metrics.gauges(
            "certificate_expiry_timestamp_seconds",
            "When a certificate ends, in seconds since 1970",
            rows,
        )?;
        Ok(())
    }

    fn tell_of_who_is_there(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let (registry, admission) = (&self.shared.registry, &self.shared.admission);
        let tally = admission.tally();
        let ConnectionPlaces { most, not_logged_in } = admission.places();
        metrics.gauge("connections", "Connections now", registry.connections() as u64)?;
        metrics.gauge("connections_max", "Connections that are let in at once", most)?;
        metrics.gauge("connections_not_logged_in", "Connections now on which nobody is logged in", not_logged_in)?;
        metrics.counter("connections_accepted", "Connections that were let in", tally.admitted())?;
        let rows = tally.refusals().map(|(why, count)| ([("reason", why)], count));
        metrics.counters("connections_refused", "Connections that were not let in", rows)?;
        let rows = tally.offences().map(|(offence, count)| ([("offence", offence)], count));
        metrics.counters("penalties", "Penalties for sources that misbehaved", rows)?;
        metrics.gauge("penalised_sources", "Sources that are held back now", admission.barred(Instant::now()))?;
        let rows = registry.sessions_by_class().map(|(class, count)| ([("class", class)], count));
        metrics.gauges("sessions", "Sessions now; a browser has one for each connection", rows)?;
        let counters = registry.counters();
        let logins = Credential::ALL.into_iter().filter_map(|with| Some((with, counters.logins_by(with)?)));
        let rows = logins.flat_map(|(with, of)| {
            let rows = [("done", &of.done), ("refused", &of.refused), ("busy", &of.busy)];
            rows.map(|(outcome, count)| ([("with", with.word()), ("outcome", outcome)], count.get()))
        });
        metrics.counters("logins", "Logins by what they rest on", rows)
    }

    fn tell_of_work(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let LoginLoad { checked, waiting } = self.shared.accounts.load();
        metrics.gauge("password_checks", "Passwords that are checked now", checked)?;
        metrics.gauge("password_checks_waiting", "Logins that wait until their password is checked", waiting)?;
        let BudgetUse { held, all } = self.shared.memory.budget();
        let rows = [([("budget", "used")], held), ([("budget", "total")], all)];
        metrics.bytes("buffers", ("Memory of the budget for buffers", MetricType::Gauge), rows)?;
        let Load { light, heavy, blocked } = self.shared.turns.load();
        let rows = [("light", light.0), ("heavy", heavy.0), ("blocked", blocked)];
        metrics.gauges(
            "turns",
            "Sessions that work now",
            rows.map(|(class, count)| ([("class", class)], count as u64)),
        )?;
        let rows = [("light", light.1), ("heavy", heavy.1)];
        let rows = rows.map(|(class, count)| ([("class", class)], count as u64));
        metrics.gauges("turns_waiting", "Sessions that wait for their turn", rows)
    }

    fn tell_of_operations(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let counters = self.shared.registry.counters();
        let all = || {
            let pairs = Protocol::ALL.into_iter().flat_map(|protocol| Action::ALL.map(|action| (protocol, action)));
            // What has never been asked for is left out: most of them never are.
            pairs.filter_map(|(protocol, action)| {
                let of = counters.operations_of(protocol, action)?;
                let labels = [("action", action.word()), ("protocol", protocol.word())];
                (of.done.get() + of.failed.get() > 0).then_some((labels, of))
            })
        };
        let rows = all().flat_map(|([action, protocol], of)| {
            let rows = [("done", &of.done), ("failed", &of.failed)];
            rows.map(|(outcome, count)| ([action, protocol, ("outcome", outcome)], count.get()))
        });
        metrics.counters("operations", "Operations by what they came to", rows)?;
        let rows =
            counters.errors().filter(|(_, count)| *count > 0).map(|(kind, count)| ([("error", kind.word())], count));
        metrics.counters("operation_errors", "Operations that failed, by why", rows)?;
        let rows = all().map(|(labels, of)| (labels, of.bytes.get())).filter(|(_, bytes)| *bytes > 0);
        metrics.bytes(
            "moved",
            ("Bytes of files that were moved between clients and the server", MetricType::Counter),
            rows,
        )?;
        let (help, unit) = ("How long operations took", Some(&Unit::Seconds));
        let mut encoder = metrics.0.encode_descriptor("operation_duration", help, unit, MetricType::Histogram)?;
        all().try_for_each(|(labels, of)| {
            let (sum, count, buckets) = of.took.read();
            encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        })
    }

    /// Nothing where files are on this machine's disk.
    fn tell_of_the_storage(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let Some(storage) = self.shared.registry.kept_in().health() else { return Ok(()) };
        metrics.gauge("storage_answers", "1 while the storage that files are in answers", storage.answers.into())?;
        metrics.gauge(
            "storage_since_timestamp_seconds",
            "Since when that is so, in seconds since 1970",
            seconds(storage.since),
        )?;
        let rows = storage.requests.iter().flat_map(|of| {
            let rows = of.outcomes.iter().filter(|(outcome, count)| *outcome == "answered" || *count > 0);
            rows.map(|(outcome, count)| ([("request", of.kind), ("outcome", *outcome)], *count))
        });
        metrics.counters("storage_requests", "Requests to the storage by what they came to", rows)?;
        let (help, unit) = ("How long it took until the storage's answer began", Some(&Unit::Seconds));
        let mut encoder = metrics.0.encode_descriptor("storage_request_duration", help, unit, MetricType::Histogram)?;
        storage.requests.iter().filter(|of| of.took.1 > 0).try_for_each(|of| {
            let (sum, count, buckets) = &of.took;
            encoder.encode_family(&[("request", of.kind)])?.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
        })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
