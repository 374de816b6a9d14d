//! One control on one resource.

use std::sync::Arc;

use super::cel::{Evaluated, Subject};
use super::file::Control;
use super::{Evidence, Severity, Verdict};
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
    /// How bad it is: the severity of the control, or of a failure that was seen to be worse.
    pub severity: Severity,
    /// What was read.
    pub evidence: Vec<Evidence>,
}

impl Control {
    /// Judges `resource`, which must be of the control's type.
    ///
    /// A failure has the worst severity whose expression in `severity_if` is known to be true. One that is unknown
    /// changes nothing: that it is worse was not observed.
    #[must_use]
    pub fn judge(&self, inventory: &Arc<Inventory>, resource: &Arc<Resource>) -> Judgement {
        let on = Subject { inventory, resource, kind: self.kind, parameters: &self.values };
        let mut evidence = Vec::new();
        if let Some(when) = &self.when {
            let Evaluated { value, evidence: read } = when.evaluate(on);
            evidence = read;
            match value {
                Ok(true) => {}
                Ok(false) => return self.says(Verdict::NotApplicable(self.why.clone()), evidence),
                Err(unseen) => return self.says(Verdict::Unknown(unseen), evidence),
            }
        }
        let Evaluated { value, evidence: read } = self.pass.evaluate(on);
        add(&mut evidence, read);
        let verdict = match value {
            Ok(true) if self.evidence_only => Verdict::NotApplicable(NOT_PROVEN.to_owned()),
            Ok(true) => Verdict::Pass,
            Ok(false) if self.pass_only => Verdict::NotApplicable(NOT_REFUTED.to_owned()),
            Ok(false) => {
                let severity = self.severity_on(on, &mut evidence);
                return Judgement { verdict: Verdict::Fail, severity, evidence };
            }
            Err(unseen) => Verdict::Unknown(unseen),
        };
        self.says(verdict, evidence)
    }

    /// A verdict with the severity of the control.
    const fn says(&self, verdict: Verdict, evidence: Vec<Evidence>) -> Judgement {
        Judgement { verdict, severity: self.severity, evidence }
    }

    /// How bad the failure is, with what decided it added to the evidence.
    fn severity_on(&self, on: Subject<'_>, evidence: &mut Vec<Evidence>) -> Severity {
        for (severity, expression) in self.severity_if.iter().rev() {
            let Evaluated { value, evidence: read } = expression.evaluate(on);
            add(evidence, read);
            if value == Ok(true) {
                return *severity;
            }
        }
        self.severity
    }
}

/// Adds what was read and is not there yet.
fn add(evidence: &mut Vec<Evidence>, read: Vec<Evidence>) {
    for item in read {
        if !evidence.iter().any(|known| known.path == item.path) {
            evidence.push(item);
        }
    }
}

#[cfg(test)]
mod tests;
