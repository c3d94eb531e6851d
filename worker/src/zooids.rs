//! The zooids that one worker keeps in step: how each is called, and what it is told.

use std::collections::HashMap;

use shared::{
    clock::SharedClock,
    config::{TargetConfig, WorkerConfig},
    domain::ZooidDomain,
    zooid::{Renderer, ZooidClient, ZooidClientError},
};

/// One of them.
pub(crate) struct Zooid {
    pub(crate) client: ZooidClient,
    pub(crate) renderer: Renderer,
}

/// All of them, by the domain whose relays each serves.
pub(crate) struct Zooids(HashMap<ZooidDomain, Zooid>);

impl Zooids {
    pub(crate) fn new(
        config: &WorkerConfig,
        clock: &SharedClock,
    ) -> Result<Self, ZooidClientError> {
        let redactor = config.redactor();
        let zooid = |target: &TargetConfig| {
            let settings = target.zooid.clone();
            let renderer = Renderer::new(
                &settings.api_url,
                config.storage.clone(),
                config.livekit.clone(),
                config.sealer.clone(),
            );
            let client = ZooidClient::new(settings, redactor.clone(), clock.clone())?;
            Ok((target.domain.clone(), Zooid { client, renderer }))
        };
        config
            .targets
            .iter()
            .map(zooid)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn of(&self, target: &ZooidDomain) -> Option<&Zooid> {
        self.0.get(target)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ZooidDomain, &Zooid)> {
        self.0.iter()
    }
}
