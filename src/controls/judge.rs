//! One control on one resource.

use std::sync::Arc;

use super::cel::{Evaluated, Subject};
use super::file::Control;
use super::{Evidence, Verdict};
use crate::inventory::{Inventory, Resource};

/// Why a control that only proves failures has no more to say.
const NOT_PROVEN: &str =
    "nothing here fails it, and no call to AWS can prove it: a person decides, with the evidence";
/// Why a control that only proves passes has no more to say.
const NOT_REFUTED: &str = "this alone is no failure: a person decides, with the evidence";

/// A verdict with what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What was read.
    pub evidence: Vec<Evidence>,
}

impl Control {
    /// Judges `resource`, which must be of the control's type.
    #[must_use]
    pub fn judge(&self, inventory: &Arc<Inventory>, resource: &Arc<Resource>) -> Judgement {
        let on = Subject { inventory, resource, kind: self.kind, parameters: &self.values };
        let mut evidence = Vec::new();
        if let Some(when) = &self.when {
            let Evaluated { value, evidence: read } = when.evaluate(on);
            evidence = read;
            match value {
                Ok(true) => {}
                Ok(false) => {
                    return Judgement { verdict: Verdict::NotApplicable(self.why.clone()), evidence };
                }
                Err(unseen) => return Judgement { verdict: Verdict::Unknown(unseen), evidence },
            }
        }
        let Evaluated { value, evidence: read } = self.pass.evaluate(on);
        for item in read {
            if !evidence.iter().any(|known| known.path == item.path) {
                evidence.push(item);
            }
        }
        let verdict = match value {
            Ok(true) if self.evidence_only => Verdict::NotApplicable(NOT_PROVEN.to_owned()),
            Ok(true) => Verdict::Pass,
            Ok(false) if self.pass_only => Verdict::NotApplicable(NOT_REFUTED.to_owned()),
            Ok(false) => Verdict::Fail,
            Err(unseen) => Verdict::Unknown(unseen),
        };
        Judgement { verdict, evidence }
    }
}
