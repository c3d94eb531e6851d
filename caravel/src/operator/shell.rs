//! What a command works with: the database beside the programs that run.

use std::sync::Arc;

use shared::{
    clock::{Clock as _, SystemClock},
    command::{Command, Context, Entropy},
    config::{ActingConfig, ShellConfig},
    db::{DatabaseOptions, Db, Role},
    query::{Query, operator::Viewpoint},
    telemetry,
};

/// For a command that reads.
pub struct Reading {
    db: Db,
    pub query: Query,
    /// From where and when it looks.
    pub view: Viewpoint,
}

/// For a command that acts.
pub struct Acting {
    db: Db,
    pub command: Command,
    pub query: Query,
}

impl Reading {
    pub async fn begin(config: &ShellConfig) -> anyhow::Result<Self> {
        let db = Db::join(database(config)?).await?;
        Ok(Self {
            query: Query::new(&db),
            view: Viewpoint::new(SystemClock.now(), config.lease),
            db,
        })
    }

    pub async fn end(self) {
        self.db.close().await;
    }
}

impl Acting {
    pub async fn begin(config: ActingConfig) -> anyhow::Result<Self> {
        let db = Db::join(database(&config.shell)?).await?;
        let context = Context {
            clock: Arc::new(SystemClock),
            sealer: config.sealer,
            entropy: Entropy::from_system(),
            max_attempts: config.shell.retry.max_attempts,
        };
        Ok(Self {
            command: Command::new(db.clone(), context),
            query: Query::new(&db),
            db,
        })
    }

    pub async fn end(self) {
        self.db.close().await;
    }
}

/// Where the database is; from here on there are logs. An operator waits as a person does, not as a worker.
pub fn database(config: &ShellConfig) -> anyhow::Result<DatabaseOptions> {
    telemetry::init(config.log.format, config.log.filter.clone())?;
    Ok(DatabaseOptions::new(&config.database, Role::Interactive))
}
