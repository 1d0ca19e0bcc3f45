"""``python -m bigprior.report`` prints the JSON schema of the record, as the reference has it."""

from __future__ import annotations

import json

from bigprior.report.record import schema

if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
