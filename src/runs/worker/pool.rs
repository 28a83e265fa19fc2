//! The workers of several devices, as one: each has a device of its own, and they share the runs out.
//!
//! The first worker also opens the models to explore, looks up targets and answers questions about
//! photos. A device that turns out not to work loses its worker; its runs go to another one.

use super::{OpenOptions, Worker, WorkerCommand, WorkerEvent};
use crate::home::Home;
use crate::runs::batch::recorded_name;
use crate::runs::checkpoint;
use crate::runs::queue::{Job, JobId};
use crate::runtime::{Device, Provider, capture, session};
use std::time::{Duration, Instant};

/// One worker per device. Dropping it shuts them down.
pub struct WorkerPool {
    home: Home,
    /// Never empty.
    members: Vec<Member>,
}

struct Member {
    worker: Worker,
    provider: Provider,
    /// The jobs that it was given and has not answered.
    jobs: Vec<JobId>,
    /// Whether its device does not work.
    is_retired: bool,
}

impl WorkerPool {
    /// Starts a worker for each provider; without any, one for `auto`. Otherwise as [`Worker::spawn`].
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn spawn(
        home: &Home,
        providers: &[Provider],
        options: &OpenOptions,
        wake: impl Fn() + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let providers = match providers {
            [] => &[Provider::Auto],
            providers => providers,
        };
        let on_cpu = |provider: &&Provider| provider.named_device() == Some(Device::Cpu);
        let count = providers.iter().filter(on_cpu).count();
        session::share_cores(count);
        capture::share_devices(providers.len() - count);
        let start = |(place, provider): (usize, &Provider)| {
            let device = super::WorkerDevice {
                provider: *provider,
                all: providers.into(),
                is_replaceable: place > 0,
            };
            let worker = Worker::spawn(home.clone(), device, options.clone(), wake.clone())?;
            Ok(Member {
                worker,
                provider: *provider,
                jobs: Vec::new(),
                is_retired: false,
            })
        };
        let members = providers.iter().enumerate().map(start);
        Ok(Self {
            home: home.clone(),
            members: members.collect::<std::io::Result<_>>()?,
        })
    }

    /// Sends a command to those that it concerns; returns at once.
    pub fn send(&mut self, command: WorkerCommand) {
        match command {
            WorkerCommand::Run(jobs) => self.run(jobs),
            WorkerCommand::Open(_)
            | WorkerCommand::Transfer { .. }
            | WorkerCommand::Photo(_)
            | WorkerCommand::LeavePhoto(_) => self.members[0].worker.send(command),
            WorkerCommand::Cancel(job) => {
                let has = |member: &&mut Member| member.jobs.contains(&job);
                if let Some(member) = self.members.iter_mut().find(has) {
                    member.jobs.retain(|other| *other != job);
                    member.worker.send(command);
                }
            }
            WorkerCommand::SetAside(job) => {
                let has = |member: &&mut Member| member.jobs.contains(&job);
                if let Some(member) = self.members.iter_mut().find(has) {
                    member.jobs.clear();
                    member.worker.send(command);
                }
            }
            WorkerCommand::Judges(_)
            | WorkerCommand::Pause
            | WorkerCommand::Resume
            | WorkerCommand::Watch(..)
            | WorkerCommand::Shutdown => {
                for member in &self.members {
                    member.worker.send(command.clone());
                }
            }
        }
    }

    /// All events since the last call, those of each worker oldest first.
    pub fn events(&mut self) -> Vec<WorkerEvent> {
        let mut events = Vec::new();
        for place in 0..self.members.len() {
            for event in self.members[place].worker.events() {
                match event {
                    WorkerEvent::Retired { mut jobs, why, .. } => {
                        // Those that were cancelled meanwhile are left out.
                        jobs.retain(|job| self.members[place].jobs.contains(&job.id));
                        self.members[place].is_retired = true;
                        self.members[place].jobs.clear();
                        self.run(jobs);
                        let left = self.members.iter().filter(|one| !one.is_retired);
                        events.push(WorkerEvent::Retired {
                            jobs: Vec::new(),
                            why,
                            workers: left.count(),
                        });
                    }
                    // All pause together.
                    WorkerEvent::Paused(_) if place > 0 => {}
                    event => {
                        if let Some(ended) = ended(&event) {
                            self.members[place].jobs.retain(|job| *job != ended);
                        }
                        events.push(event);
                    }
                }
            }
        }
        events
    }

    /// Shuts the workers down and waits for them, at most `limit`. Returns whether all have ended.
    pub fn shut_down(&mut self, limit: Duration) -> bool {
        // All begin to write their checkpoints now.
        self.send(WorkerCommand::Shutdown);
        let until = Instant::now() + limit;
        let mut members = self.members.iter_mut();
        members.all(|member| {
            let left = until.saturating_duration_since(Instant::now());
            member.worker.shut_down(left)
        })
    }

    /// Gives a batch to the worker whose checkpoint it continues, otherwise to the one with the fewest jobs.
    fn run(&mut self, jobs: Vec<Job>) {
        let holder = self.holder(&jobs);
        let usable = self.members.iter_mut().filter(|one| !one.is_retired);
        let is_other = |member: &Member| Some(member.provider) != holder;
        let member = usable.min_by_key(|member| (is_other(member), member.jobs.len()));
        // The first one never retires.
        if let Some(member) = member {
            member.jobs.extend(jobs.iter().map(|job| job.id));
            member.worker.send(WorkerCommand::Run(jobs));
        }
    }

    /// The provider on which a checkpoint of these jobs was written.
    fn holder(&self, jobs: &[Job]) -> Option<Provider> {
        if self.members.len() == 1 {
            return None;
        }
        let specs: Vec<_> = jobs.iter().map(|job| job.spec.clone()).collect();
        let name = checkpoint::provider_of(&self.home, &specs)?;
        let mut providers = self.members.iter().map(|member| member.provider);
        providers.find(|provider| recorded_name(*provider).as_deref() == Some(name.as_str()))
    }
}

/// The job that an event ends.
fn ended(event: &WorkerEvent) -> Option<JobId> {
    match event {
        WorkerEvent::Finished { job, .. }
        | WorkerEvent::Failed { job, .. }
        | WorkerEvent::Cancelled { job } => Some(*job),
        _ => None,
    }
}
