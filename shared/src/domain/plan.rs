//! The plans a relay can be on, and what each includes.

use serde::Serialize;
use utoipa::ToSchema;

use super::text::text_enum;

text_enum! {
    /// The id of a plan. The texts are contract with existing clients.
    PlanId, "plan" {
        /// Free of charge, without media and calls.
        Free = "free",
        /// The paid entry.
        Basic = "basic",
        /// Unlimited members.
        Growth = "growth",
    }
}

/// A plan as clients read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Plan {
    /// The stable id.
    pub id: PlanId,
    /// The name shown to people.
    pub name: &'static str,
    /// US cents a month.
    pub amount: i64,
    /// Whether clients leave it out of what they offer.
    pub hidden: bool,
    /// Most members of a relay, `None` for unlimited.
    pub members: Option<i64>,
    /// Whether media storage is included.
    pub blossom: bool,
    /// Whether audio and video rooms are included.
    pub livekit: bool,
}

static PLANS: [Plan; 3] = [
    Plan {
        id: PlanId::Free,
        name: "Free",
        amount: 0,
        hidden: false,
        members: Some(10),
        blossom: false,
        livekit: false,
    },
    Plan {
        id: PlanId::Basic,
        name: "Basic",
        amount: 500,
        hidden: false,
        members: Some(100),
        blossom: true,
        livekit: true,
    },
    Plan {
        id: PlanId::Growth,
        name: "Growth",
        amount: 2500,
        hidden: false,
        members: None,
        blossom: true,
        livekit: true,
    },
];

/// Every plan, the cheapest first.
#[must_use]
pub fn plans() -> &'static [Plan] {
    &PLANS
}

impl Plan {
    /// The plan with this id.
    #[must_use]
    pub fn of(id: PlanId) -> &'static Self {
        let [free, basic, growth] = &PLANS;
        match id {
            PlanId::Free => free,
            PlanId::Basic => basic,
            PlanId::Growth => growth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_finds_its_own_plan() {
        for id in PlanId::ALL {
            assert_eq!(Plan::of(*id).id, *id);
        }
        assert_eq!(plans().len(), PlanId::ALL.len());
    }

    #[test]
    fn plans_read_as_clients_expect() {
        assert_eq!(
            serde_json::to_value(Plan::of(PlanId::Free)).unwrap(),
            serde_json::json!({"id": "free", "name": "Free", "amount": 0, "hidden": false, "members": 10, "blossom": false, "livekit": false}),
        );
        assert_eq!(
            serde_json::to_value(Plan::of(PlanId::Growth)).unwrap()["members"],
            serde_json::Value::Null
        );
    }
}
