// Written by scripts/schema-types.mjs from schema.json. Do not edit.
// prettier-ignore
export type FieldSchema = {
  "version": 2,
  "tables": {
    "projects": {
      "fields": {
        "name": "string",
        "customer": "string",
        "address": "string",
        "status": "string",
        "progress": "number?"
      },
      "priority": "low",
      "conflict": {
        "detect": "timestamp",
        "strategy": "last-write-wins"
      },
      "rules": {
        "progress": "highest"
      }
    },
    "phases": {
      "fields": {
        "project_id": "string",
        "name": "string",
        "position": "number"
      },
      "references": {
        "project_id": {
          "table": "projects",
          "onDelete": "cascade"
        }
      },
      "indexes": [
        "project_id"
      ],
      "conflict": {
        "detect": "hash"
      }
    },
    "steps": {
      "fields": {
        "phase_id": "string",
        "name": "string",
        "position": "number"
      },
      "references": {
        "phase_id": {
          "table": "phases",
          "onDelete": "cascade"
        }
      },
      "indexes": [
        "phase_id"
      ],
      "alike": [
        [
          "phase_id",
          "name"
        ]
      ],
      "conflict": {
        "strategy": "manual"
      }
    },
    "tasks": {
      "fields": {
        "step_id": "string",
        "title": "string",
        "status": "string",
        "progress_percentage": "number?",
        "notes": "string?",
        "assignee": "string?",
        "due_date": "string?",
        "time_logs": "json?",
        "visits": "number?",
        "order_no": "string?"
      },
      "references": {
        "step_id": {
          "table": "steps",
          "onDelete": "cascade"
        }
      },
      "indexes": [
        "step_id",
        "status",
        [
          "assignee",
          "due_date"
        ]
      ],
      "unique": [
        "order_no"
      ],
      "alike": [
        [
          "step_id",
          "title"
        ]
      ],
      "priority": {
        "default": "medium",
        "fields": {
          "status": "high"
        }
      },
      "rules": {
        "status": {
          "progression": [
            "not_started",
            "in_progress",
            "completed"
          ],
          "notify": true
        },
        "progress_percentage": "highest",
        "assignee": {
          "latest": true,
          "notify": true
        },
        "due_date": {
          "latest": true,
          "notify": true
        },
        "time_logs": {
          "union": {
            "by": "id",
            "overlap": [
              "start",
              "end"
            ]
          }
        },
        "visits": "counter",
        "notes": "text"
      }
    }
  }
}
