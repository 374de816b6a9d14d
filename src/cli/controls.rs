//! `upright controls`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::{print, print_json};
use super::{Done, Exit, Stopped};
use crate::collect::{self, KINDS, schema};
use crate::controls::{Control, ControlSet, FUNCTIONS, Severity};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright controls list --framework cis-aws-3.0\n  \
    upright controls show s3-bucket-not-public\n  \
    upright controls test --controls ./controls")]
pub(super) struct ControlsArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List controls.
    #[command(after_help = "Examples:\n  upright controls list --service s3 --severity high")]
    List(ListArguments),
    /// Show one control: its rule, the calls and permissions it needs, the requirements it serves.
    #[command(after_help = "Examples:\n  upright controls show s3-bucket-not-public")]
    Show {
        /// Id of the control.
        id: String,
        /// Directories with controls of your own.
        #[arg(long, value_name = "DIR")]
        controls: Vec<PathBuf>,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the examples in control files.
    #[command(after_help = "Examples:\n  upright controls test --controls ./controls")]
    Test {
        /// Test the controls of these directories instead of the built-in ones.
        #[arg(long, value_name = "DIR")]
        controls: Vec<PathBuf>,
        /// Print the outcome as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the resource types and fields that expressions may read, and the functions they may call.
    #[command(
        after_help = "Examples:\n  upright controls schema aws.s3.bucket\n  upright controls schema --json"
    )]
    Schema {
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
        /// Only this resource type.
        #[arg(value_name = "TYPE")]
        kind: Option<String>,
    },
    /// Write the template of a control into a directory.
    #[command(after_help = "Examples:\n  upright controls new acme-bucket-named --resource aws.s3.bucket")]
    New {
        /// Id of the control; the file is named after it.
        id: String,
        /// Resource type that it judges.
        #[arg(long, default_value = "aws.s3.bucket")]
        resource: String,
        /// Directory to write to.
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
struct ListArguments {
    /// Only controls of this service, such as `s3`.
    #[arg(long)]
    service: Option<String>,
    /// Only controls at least this severe.
    #[arg(long, value_parser = super::settings::severity)]
    severity: Option<Severity>,
    /// Only controls of this framework.
    #[arg(long)]
    framework: Option<String>,
    /// Directories with controls of your own.
    #[arg(long, value_name = "DIR")]
    controls: Vec<PathBuf>,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: ControlsArguments) -> Done {
    match arguments.command {
        Command::List(arguments) => list(&arguments),
        Command::Show { id, controls, json } => show(&id, &controls, json),
        Command::Test { controls, json } => test(&controls, json),
        Command::Schema { json, kind } => print_schema(json, kind.as_deref()),
        Command::New { id, resource, out } => new(&id, &resource, &out),
    }
}

fn list(arguments: &ListArguments) -> Done {
    let mut set = ControlSet::load(&arguments.controls).map_err(Stopped::usage)?;
    if let Some(framework) = arguments.framework.clone() {
        set = set.select(&[framework], &[], &[]).map_err(|why| Stopped::usage(miette::miette!("{why}")))?;
    }
    let shown: Vec<&Control> = set
        .controls()
        .filter(|c| arguments.service.as_ref().is_none_or(|service| c.service() == service))
        .filter(|c| arguments.severity.is_none_or(|least| c.severity >= least))
        .collect();
    if arguments.json {
        let rows: Vec<_> = shown
            .iter()
            .map(|c| {
                serde_json::json!({
                    "id": c.id, "title": c.title, "severity": c.severity, "service": c.service(),
                    "resource": c.kind.name, "requirements": set.requirements_of(&c.id),
                })
            })
            .collect();
        return print_json(&rows);
    }
    let widest = shown.iter().map(|c| c.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for control in &shown {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<widest$}  {:<13}  {}", control.id, control.severity, control.title);
    }
    let _ = writeln!(text, "{} controls", shown.len());
    print(&text)
}

fn show(id: &str, directories: &[PathBuf], json: bool) -> Done {
    let mut set = ControlSet::load(directories).map_err(Stopped::usage)?;
    set.limit_to_control(id).map_err(|why| Stopped::usage(miette::miette!("{why}")))?;
    let Some(control) = set.control(id) else {
        return Err(Stopped::usage(miette::miette!("unknown control `{id}`")));
    };
    if json {
        return print_json(&described(&set, control));
    }
    let mut text = String::new();
    describe(&mut text, &set, control);
    print(&text)
}

/// What [`describe`] says, for programs.
fn described(set: &ControlSet, control: &Control) -> serde_json::Value {
    let wanted = set.wanted();
    let calls = wanted.calls().into_iter().map(|planned| {
        serde_json::json!({ "operation": planned.call.name(), "action": planned.call.iam_action() })
    });
    let parameters: serde_json::Map<String, serde_json::Value> = control
        .parameters
        .iter()
        .map(|(name, of)| {
            (name.clone(), serde_json::json!({ "value": of.value, "description": of.description }))
        })
        .collect();
    serde_json::json!({
        "id": control.id, "title": control.title, "severity": control.severity, "service": control.service(),
        "resource": control.kind.name, "requirements": set.requirements_of(&control.id),
        "evidence_only": control.evidence_only, "pass_only": control.pass_only,
        "rationale": control.rationale,
        "when": control.expressions.when, "otherwise": control.why, "pass": control.expressions.pass,
        "severity_if": control.expressions.severity_if,
        "parameters": parameters, "calls": calls.collect::<Vec<_>>(),
        "remediation": {
            "text": control.remediation.text, "cli": control.remediation.cli,
            "terraform": control.remediation.terraform, "cloudformation": control.remediation.cloudformation,
        },
        "references": control.references, "tags": control.tags,
    })
}

fn describe(text: &mut String, set: &ControlSet, control: &Control) {
    let indent =
        |block: &str| block.trim_end().lines().map(|line| format!("    {line}\n")).collect::<String>();
    let _ = writeln!(text, "{}\n{}\n", control.id, control.title);
    let _ = writeln!(text, "severity   {}", control.severity);
    let _ = writeln!(text, "resource   {}", control.kind.name);
    for (framework, requirements) in set.requirements_of(&control.id) {
        let _ = writeln!(text, "serves     {framework}: {}", requirements.join(", "));
    }
    if control.evidence_only {
        let _ = writeln!(text, "proves     failures only: a person decides the rest, with the evidence");
    }
    if control.pass_only {
        let _ = writeln!(text, "proves     passes only: a person decides the rest, with the evidence");
    }
    let _ = writeln!(text, "\nwhy\n{}", indent(&control.rationale));
    if let Some(when) = &control.expressions.when {
        let _ = writeln!(text, "applies when\n{}otherwise: {}\n", indent(when), control.why);
    }
    let _ = writeln!(text, "passes when\n{}", indent(&control.expressions.pass));
    for (severity, when) in control.expressions.severity_if.iter().rev() {
        let _ = writeln!(text, "a failure is {severity} when\n{}", indent(when));
    }
    for (name, parameter) in &control.parameters {
        let _ = writeln!(text, "params.{name} = {}\n    {}\n", parameter.value, parameter.description);
    }
    let _ = writeln!(text, "calls and permissions");
    for planned in set.wanted().calls() {
        let permission = planned.call.iam_action().unwrap_or_else(|| "no permission".to_owned());
        let _ = writeln!(text, "    {:<42} {permission}", planned.call.name());
    }
    let _ = writeln!(text, "\nto put it right\n{}", indent(&control.remediation.text));
    for (what, block) in [
        ("command line", &control.remediation.cli),
        ("Terraform", &control.remediation.terraform),
        ("CloudFormation", &control.remediation.cloudformation),
    ] {
        if !block.is_empty() {
            let _ = writeln!(text, "{what}\n{}", indent(block));
        }
    }
    for reference in &control.references {
        let _ = writeln!(text, "{reference}");
    }
}

/// An example that does not give its verdict, or that is missing.
#[derive(Debug, serde::Serialize)]
struct Wrong<'a> {
    control: &'a str,
    example: Option<&'a str>,
    problem: String,
}

fn test(directories: &[PathBuf], json: bool) -> Done {
    let set = if directories.is_empty() { ControlSet::builtin() } else { ControlSet::only(directories) };
    let set = set.map_err(Stopped::usage)?;
    let outcomes: Vec<_> = set.controls().map(|control| (control, control.run_examples())).collect();
    let (mut passed, mut wrong) = (0_usize, Vec::new());
    for (control, outcomes) in &outcomes {
        wrong.extend(control.missing_examples().into_iter().map(|verdict| Wrong {
            control: &control.id,
            example: None,
            problem: format!("has no example with the verdict {verdict}"),
        }));
        for outcome in outcomes {
            if outcome.is_right() {
                passed += 1;
                continue;
            }
            let problem = match &outcome.got {
                Ok(answer) => format!("gives {answer}, not {}", outcome.expected),
                Err(why) => format!("cannot be run: {why}"),
            };
            wrong.push(Wrong { control: &control.id, example: Some(&outcome.example), problem });
        }
    }
    if json {
        let controls = outcomes.len();
        print_json(&serde_json::json!({ "controls": controls, "passed": passed, "wrong": wrong }))?;
    } else {
        let mut text = String::new();
        for Wrong { control, example, problem } in &wrong {
            let example = example.map(|example| format!("example `{example}` ")).unwrap_or_default();
            let _ = writeln!(text, "{control}: {example}{problem}");
        }
        let _ =
            writeln!(text, "{passed} examples of {} controls pass, {} do not", outcomes.len(), wrong.len());
        print(&text)?;
    }
    Ok(if wrong.is_empty() { Exit::Clean } else { Exit::Failed })
}

fn print_schema(json: bool, only: Option<&str>) -> Done {
    if let Some(name) = only
        && collect::kind(name).is_none()
    {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        return Err(Stopped::usage(miette::miette!(
            "unknown resource type `{name}`; there are {}",
            known.join(", ")
        )));
    }
    let kinds = KINDS.iter().filter(|kind| only.is_none_or(|name| kind.name == name));
    if json {
        let kinds: serde_json::Map<String, serde_json::Value> = kinds
            .map(|kind| {
                let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
                let mut schema = (kind.schema)(&mut generator);
                schema.insert("$defs".to_owned(), generator.take_definitions(true).into());
                (kind.name.to_owned(), schema.to_value())
            })
            .collect();
        return print_json(&kinds);
    }
    let mut text = String::new();
    for kind in kinds {
        let reached = if kind.is_one() { "" } else { ", a list" };
        let path = ["account", kind.collection].join(".");
        let _ = writeln!(text, "{}  ({}{reached})", kind.name, path.trim_end_matches('.'));
        describe_fields(&mut text, schema::fields(kind.name), 1);
        text.push('\n');
    }
    if only.is_none() {
        text.push_str("functions\n");
        for function in FUNCTIONS {
            let arguments: Vec<String> = (function.arguments)().iter().map(ToString::to_string).collect();
            let _ = writeln!(
                text,
                "  {}({}) -> {}\n      {}",
                function.name,
                arguments.join(", "),
                (function.result)(),
                function.doc
            );
        }
    }
    print(&text)
}

fn describe_fields(
    text: &mut String,
    fields: Option<&std::collections::BTreeMap<String, schema::Field>>,
    depth: usize,
) {
    let indent = "  ".repeat(depth);
    for (name, field) in fields.into_iter().flatten() {
        let _ = writeln!(text, "{indent}{name:<28} {:<18} {}", field.ty.to_string(), field.doc);
        let mut inner = &field.ty;
        while let schema::Type::Nullable(of) | schema::Type::List(of) | schema::Type::Map(of) = inner {
            inner = of;
        }
        if let schema::Type::Struct(fields) = inner {
            describe_fields(text, Some(fields), depth + 1);
        }
    }
}

fn new(id: &str, resource: &str, out: &std::path::Path) -> Done {
    let Some(kind) = collect::kind(resource) else {
        let known: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let known: Vec<&str> = known.into_iter().collect();
        return Err(Stopped::usage(miette::miette!(
            "unknown resource type `{resource}`; there are {}",
            known.join(", ")
        )));
    };
    let fields: Vec<&str> =
        schema::fields(kind.name).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let text = include_str!("new_control.yaml")
        .replace("{{id}}", id)
        .replace("{{resource}}", kind.name)
        .replace("{{fields}}", &fields.join(", "));
    let path = out.join(format!("{id}.yaml"));
    if let Err(error) = Control::parse(&path, &text) {
        return Err(Stopped::usage(error));
    }
    let written = fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Stopped::usage(miette::miette!("`{}`: {error}", path.display())))?;
    print(&format!("{}\nEdit it, then: upright controls test --controls {}\n", path.display(), out.display()))
}
