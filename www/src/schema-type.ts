// Written by scripts/schema-types.mjs from schema.json. Do not edit.
// prettier-ignore
export type FieldSchema = {
  "version": 1,
  "tables": {
    "projects": {
      "fields": {
        "name": "string",
        "customer": "string",
        "address": "string",
        "status": "string",
        "progress": "number?"
      },
      "priority": "low"
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
      ]
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
      ]
    },
    "tasks": {
      "fields": {
        "step_id": "string",
        "title": "string",
        "status": "string",
        "progress_percentage": "number?",
        "notes": "string?",
        "assignee": "string?",
        "due_date": "string?"
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
      "priority": {
        "default": "medium",
        "fields": {
          "status": "high"
        }
      }
    }
  }
}
