// The data block, decoded. Its layout is described in src/report/html/data.rs.

/** Reads the block of the findings. */
export async function decode(base64) {
  return new Data(await unpacked(base64));
}

/** Reads a block: base64 of gzip of JSON. */
export async function unpacked(base64) {
  const text = base64.trim();
  const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** Columns of the findings, and one finding at a time with all its parts. */
export class Data {
  constructor(block) {
    if (block.format !== 1) throw new Error(`the data has layout ${block.format}, and this page reads 1`);
    this.block = block;
    const { findings } = block;
    this.ids = findings.id === "" ? [] : findings.id.split(" ");
    this.size = this.ids.length;
    for (const name of ["control", "account", "region", "verdict", "severity", "reason", "unseen"]) {
      this[name] = Uint32Array.from(findings[name]);
    }
    this.resource = summed(findings.resource);
    this.evidence = summed(findings.evidence);
    this.waiver = new Map(block.waived);
    /** 0: no waiver, 1: waived, 2: its waiver has ended. */
    this.waiverState = new Uint32Array(this.size);
    for (const [row, at] of block.waived) this.waiverState[row] = block.waivers[at].ending ? 2 : 1;
    this.risk = new Map(block.risk);
    this.changed = new Map(block.changed.map(([row, words, agent]) => [row, { words, agent }]));
    this.score = new Uint32Array(this.size);
    for (const [row, at] of block.risk) this.score[row] = block.risks[at].score;
    this.isNew = block.new && new Set(block.new);
    this.accountIndex = new Map(block.accounts.id.map((id, at) => [id, at]));
    this.cut = new Set(block.read.cut);
  }

  /** The finding of that row, with everything that is said of it. */
  finding(row) {
    const { block } = this;
    const [account, resource] = [this.account[row], this.resource[row]];
    return {
      id: this.ids[row],
      control: block.controls[this.control[row]],
      verdict: block.verdicts[this.verdict[row]],
      severity: block.severities[this.severity[row]],
      reason: block.reasons[this.reason[row]],
      account: block.accounts.id[account],
      accountName: block.accounts.name[account],
      region: block.regions[this.region[row]],
      arn: block.resources.arn[resource],
      name: block.resources.name[resource],
      type: block.types[block.resources.type[resource]],
      tags: block.tags[block.resources.tags[resource]],
      evidence: block.evidence[this.evidence[row]].map((at) => ({
        path: block.paths[block.read.path[at]],
        value: block.read.value[at],
        cut: this.cut.has(at),
      })),
      unseen: this.unseen[row] === 0 ? null : this.unseenAt(this.unseen[row] - 1),
      waiver: block.waivers[this.waiver.get(row)] ?? null,
      risk: block.risks[this.risk.get(row)] ?? null,
      changed: this.changed.get(row) ?? null,
      isNew: this.isNew?.has(row) ?? false,
    };
  }

  /** Something that was not observed. */
  unseenAt(at) {
    const { unseen, accounts, regions, calls, remedies, statements } = this.block;
    return {
      account: accounts.id[unseen.account[at]],
      region: regions[unseen.region[at]],
      operation: calls[unseen.call[at]],
      cause: unseen.cause[at],
      code: unseen.code[at],
      message: unseen.message[at],
      remedy: remedies[unseen.remedy[at]],
      statement: unseen.statement[at] === 0 ? null : statements[unseen.statement[at] - 1],
    };
  }

  /** The row of the finding with that id, or with an id that starts like that; -1 where none or several do. */
  rowOf(id) {
    const found = [];
    this.ids.forEach((known, row) => {
      if (id !== "" && (known.startsWith(id) || id.startsWith(known))) found.push(row);
    });
    return found.length === 1 ? found[0] : -1;
  }

  /** The calls in an account. */
  coverageOf(account) {
    const { coverage, calls, regions, states } = this.block;
    const wanted = this.accountIndex.get(account);
    const rows = [];
    coverage.account.forEach((at, row) => {
      if (at !== wanted) return;
      rows.push({
        region: regions[coverage.region[row]],
        call: calls[coverage.call[row]],
        state: states[coverage.state[row]],
        answered: coverage.answered[row],
        unanswered: coverage.unanswered[row],
        gone: coverage.gone[row],
        errors: coverage.errors
          .filter(([of]) => of === row)
          .map(([, unseen, times]) => ({ ...this.unseenAt(unseen), times })),
      });
    });
    return rows;
  }

  /** The accounts of a requirement by status: `[[status, [account, …]], …]`, in the order of a report. */
  accountsBy(framework, requirement) {
    const { frameworks, statuses, accounts } = this.block;
    const row = frameworks.find(({ id }) => id === framework)?.requirements.find(({ id }) => id === requirement);
    return statuses
      .map((status, digit) => [status, accounts.id.filter((_, at) => row?.accounts[at] === String(digit))])
      .filter(([, ids]) => ids.length > 0);
  }
}

function summed(differences) {
  let sum = 0;
  return Uint32Array.from(differences, (difference) => (sum += difference));
}
