"""The texts of ``hico-platform help TOPIC``: what a person wants to know between two commands, in a screen or two."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

from hico_platform.config.package_files import shipped_spaces
from hico_platform.enums import Signal

_LINE = 79
_WIDTH = 16


def _spaces() -> str:
    return f"""SPACES: what a search varies

A space is a YAML file: settings of every trial (base), what is varied (search), how many trials. These ship:

{_table(_described_spaces())}

  hico-platform search --space level_weights.yaml
  hico-platform search --space level_weights.yaml --dry-run
  hico-platform search --space level_weights.yaml --set budget.epochs=27

A file of your own may extend a shipped one and change a few lines:

  extends: level_weights.yaml
  name: mine
  search:
    contrast.temperature: {{low: 0.05, high: 0.2, log: true}}

A file is checked as a whole before anything starts. For completion in an editor:

  hico-platform schema
"""


def _described_spaces() -> dict[str, str]:
    found = {}
    for name, file in shipped_spaces().items():
        said = re.search(r"^description: (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        found[name] = "" if said is None else said[1]
    return found


_SIGNALS = {
    Signal.KNN_TOP1: "1-NN of validation subjects among the other training subjects (default)",
    Signal.KNN_MEAN: "the mean of kNN with k = 1, 5, 9, 20: smoother",
    Signal.MAP: "mean average precision of retrieval: the whole ranking counts",
    Signal.LINEAR: "a linear probe by regularised regression: costs a few regressions",
    Signal.KNN_SUBJECTS: "1-NN of every training subject: for few people, no one is set apart",
}


def _scores() -> str:
    return f"""SCORES: what a search goes by, and how sure it is

The first of a space's objectives decides which trials are stopped and which is best:

{_table({str(signal): words for signal, words in _SIGNALS.items()})}

  hico-platform search --space small_data.yaml --set "objectives=[knn_mean]"

All of them are scores on validation subjects, taken from the training split. The test split is
touched by retrain, and by evaluate when you ask for it.

Each score has a standard error, from a bootstrap over persons: 0.512±0.028. Two trials that
differ by less than twice that may as well be equal, so do not read ranks into them: take more
seeds for the best few, and let validation choose among them.

  hico-platform retrain level_weights --candidates 3
"""


def _protocols() -> str:
    return """PROTOCOLS: who is trained on, and who is scored

A protocol divides a dataset into training and test when it is used:

  xsub            by subject, as NTU RGB+D 60 and 120 publish it
  xview           by camera, as NTU RGB+D 60 and NW-UCLA publish it
  xset            by setup, as NTU RGB+D 120 publishes it
  odd-subjects    odd subjects train, even ones test: any dataset with subjects
  given           by the column "split" of a manifest
  all             everything trains: the protocol of data without labels
  FILE.yaml       a rule of your own over subject, camera, setup or another column

Validation subjects are taken from the training part, always the same ones. Which protocols fit a
dataset, with the size of each part:

  hico-platform data info prepared/mine
  hico-platform search --space views.yaml --data mine --protocol odd-subjects
"""


def _home() -> str:
    return """HOME: where everything is kept

One folder: --home DIR, else $HICO_HOME, else ~/.hico. It may be moved or copied.

  study.db            the ledger: searches, trials, reports, decisions (or --storage URL)
  mlflow.db           runs and registered models (or --tracking URI)
  mlartifacts/        their files
  data/               generated datasets
  searches/NAME/      checkpoints, search.log, report.html, final/ with retrain.log
  runs/               what pretrain trained

Only its owner can read a new home; --shared lets the group of the folder read it.

  hico-platform list
  hico-platform status --home /shared/hico
  hico-platform search --space level_weights.yaml --home /shared/hico --shared
"""


def _checkpoints() -> str:
    return """CHECKPOINTS: what is kept of trials that have ended

Without a rule every checkpoint is kept. A rule in the space keeps less, while the search runs:

  keep: {best: 5, per_rung: 1, encoder_only: rest, days: 30}

  best            so many best trials keep their whole checkpoints
  per_rung        and of the trials that ended at one report epoch, so many of the best
  encoder_only    rest: of all others the encoder is kept; none: nothing
  days            such an encoder goes so many days after its trial ended

Trials that have not ended keep all that a resume needs. An encoder alone can be evaluated, exported
and used as any checkpoint, but not trained on. gc is for a search that no driver has.

  hico-platform search --space queue.yaml --checkpoints s3://bucket/hico

keeps them in a store, for machines without a common file system.

  hico-platform gc level_weights --dry-run --keep best=5,per_rung=1
  hico-platform gc level_weights
"""


def _exit_codes() -> str:
    return """EXIT CODES

  0      done
  1      the work failed: a trial, a run, a write
  2      usage or configuration: an option, a space file, a name that is taken
  3      data: a file or folder of data breaks a rule
  130    interrupted (Ctrl-C, SIGTERM, SIGHUP, SIGUSR1), and resumable

An error is one line, FILE:LINE: FIELD: expected RULE, got VALUE; REMEDY, on standard error, or
JSON on standard output with --json. Where it came from is shown with --traceback:

  hico-platform search --space mine.yaml --traceback
"""


def _resuming() -> str:
    return """RESUMING: after Ctrl-C, a crash or a power cut

Ctrl-C asks running trials to save; a second one ends at once. Nothing that has ended is run again.

  hico-platform search --resume --name level_weights
  hico-platform search --resume --name level_weights --trials 40
  hico-platform retrain level_weights
  hico-platform pretrain --config my.yaml

The first goes on where the search was left, the second extends it. retrain and pretrain go on by
the same command. What a search did is in its log, searches/NAME/search.log in the home.

Another user's search is resumed with --take-over alone, which the ledger records. Trials whose
worker died are handed out again, from their last checkpoint, up to resources.retries times.
"""


def _security() -> str:
    return """SECURITY: who can see and change what

Homes, logs and checkpoints are readable by their owner alone, unless you give --shared.
ui and a search's own Ray cluster listen on this machine alone and want a token.
Passwords and tokens are masked in all output, and belong into variables or files, never into
arguments, which every account sees in ps: HICO_STORAGE, MLFLOW_TRACKING_URI, PGPASSWORD.
Checkpoints and models are read as data: nothing is unpickled.

  hico-platform ui --read-only
  hico-platform ui --token-file token.txt

What is guarded against, and what is not: the page Security of the documentation.
"""


def _metrics() -> str:
    return """METRICS: the names in status, MLflow, --json and the report

  knn_top1                       1-NN by cosine similarity, share of right classes
  knn_mean                       the mean of kNN with k = 1, 5, 9, 20
  recognition_top1               a linear probe as released HiCo trains it (SGD)
  linear_regularised_top1        a linear probe by regularised regression
  retrieval_top1                 the nearest recording is of the class
  retrieval_recall_at_5          one of the five nearest is
  retrieval_map                  mean average precision of the whole ranking
  transfer_top1                  a probe on another dataset
  ..._standard_error             how far a score would move with other people

A search scores validation subjects, retrain the test split. For Prometheus:

  hico-platform search --space level_weights.yaml --metrics-port 0
"""


ENVIRONMENT = {
    "HICO_HOME": "the home (default: ~/.hico)",
    "HICO_STORAGE": "address of the study database, which may hold a password",
    "HICO_CHECKPOINTS": "where searches that begin keep checkpoints: s3://BUCKET/FOLDER, ...",
    "HICO_STAGING": "the folder in which checkpoints wait for their upload (default: in /tmp)",
    "HICO_NOTIFY": "an address with a secret, for --notify env:HICO_NOTIFY",
    "HICO_NOTIFY_KEY": "the key that signs notifications",
    "HICO_TRACEBACK": "1: show where an error came from",
    "HICO_KERNELS": "off: PyTorch's operators in place of this package's kernels",
    "HICO_CUDA_GRAPHS": "off: no recorded steps on an NVIDIA GPU",
    "HICO_SYSTEM_METRICS": "off: no metrics of the machine with each epoch",
    "HICO_COMMIT": "the code version that results record, where there is no git",
    "HICO_PREDICT_FOLDER": "the folder of files that a served model may read",
}
"""Every variable of this package. A test looks for others in its source."""

_OF_OTHERS = {
    "MLFLOW_TRACKING_URI": "address of the tracking store",
    "PGPASSWORD": "password of a PostgreSQL database",
    "NO_COLOR": "no colours",
    "FORCE_COLOR": "colours in a pipe too",
    "TERM": "dumb: lines in place of a screen that is redrawn",
    "COLUMNS": "the width of the terminal, where it is not known",
    "PAGER": "shows long help texts (default: less)",
    "OMP_NUM_THREADS": "threads of PyTorch on a CPU",
}


def _environment() -> str:
    return f"""ENVIRONMENT: variables that commands read

{_table(ENVIRONMENT, width=22)}

and of other programs:

{_table(_OF_OTHERS, width=22)}

An option on the command line goes before its variable.
"""


TOPICS: dict[str, tuple[str, Callable[[], str]]] = {
    "spaces": ("what a search varies, and the spaces that ship", _spaces),
    "scores": ("what a search goes by, and how sure it is", _scores),
    "protocols": ("who is trained on, and who is scored", _protocols),
    "metrics": ("the names of scores", _metrics),
    "home": ("where everything is kept", _home),
    "checkpoints": ("what is kept of trials that have ended", _checkpoints),
    "resuming": ("going on after an interruption", _resuming),
    "exit-codes": ("what a command ends with", _exit_codes),
    "environment": ("variables that commands read", _environment),
    "security": ("who can see and change what", _security),
}
"""Name: (one line, the text)."""


def _table(rows: dict[str, str], *, width: int = _WIDTH) -> str:
    return "\n".join(f"  {name:<{width}}{words}" for name, words in rows.items())


def topic_text(name: str) -> str:
    """A topic's text for a terminal of 80 columns: paragraphs and rows of tables are broken between words."""
    lines: list[str] = []
    for paragraph in TOPICS[name][1]().rstrip().split("\n\n"):
        rows = paragraph.split("\n")
        if not rows[0].startswith(" "):
            lines += textwrap.wrap(" ".join(rows), _LINE)
        for row in rows if rows[0].startswith(" ") else []:
            column = re.match(r" +(?:\S+ )*\S+ {2,}", row)
            if len(row) <= _LINE or row.startswith("  hico-platform ") or column is None:
                lines.append(row)
            else:
                lines += textwrap.wrap(row, _LINE, subsequent_indent=" " * column.end(), break_on_hyphens=False)
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"
