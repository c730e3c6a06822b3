// The OpenAPI description of the demo's source API (demo/source.ts).
import { VERSION } from "../core/version.js";
import { ORIGIN } from "./municipalities.js";

const schema = (name: string): object => ({ $ref: `#/components/schemas/${name}` });

const json = (description: string, name: string): object => ({
  description,
  headers: {
    ETag: { description: "Changes when the answer changes.", schema: { type: "string" } },
  },
  content: { "application/json": { schema: schema(name) } },
});

const problem = (description: string): object => ({
  description,
  content: { "application/json": { schema: schema("Problem") } },
});

const object = (properties: Record<string, object>): object => ({
  type: "object",
  required: Object.keys(properties),
  properties,
});

const text = (example: string): object => ({ type: "string", examples: [example] });

const unchanged = { description: "The answer is still the one that If-None-Match names." };

const filter = (name: string, description: string, example: string): object => ({
  name,
  in: "query",
  required: false,
  description,
  schema: { type: "string", minLength: 1, maxLength: 100 },
  example,
});

const schemas = {
  Municipality: object({
    code: { type: "string", pattern: "^GM[0-9]{4}$", examples: ["GM0344"] },
    name: text("Utrecht"),
    province: text("Utrecht"),
  }),
  Municipalities: object({
    origin: schema("Origin"),
    count: { type: "integer", minimum: 0 },
    municipalities: { type: "array", items: schema("Municipality") },
  }),
  Province: object({
    code: { type: "string", pattern: "^PV[0-9]{2}$", examples: ["PV26"] },
    name: text("Utrecht"),
    municipalities: { type: "integer", minimum: 0, description: "How many there are." },
  }),
  Provinces: object({
    origin: schema("Origin"),
    count: { type: "integer", minimum: 0 },
    provinces: { type: "array", items: schema("Province") },
  }),
  Origin: object({
    source: text(ORIGIN.source),
    licence: text(ORIGIN.licence),
    date: { type: "string", format: "date", description: "The day on which the facts held." },
  }),
  Problem: object({
    error: text("there is no municipality with this code"),
    hint: text("GET /municipalities lists them"),
  }),
};

/** The description, OpenAPI 3.1. */
export const OPENAPI = {
  openapi: "3.1.0",
  info: {
    title: "Municipalities of the Netherlands",
    version: VERSION,
    summary: "Municipalities with their code and province.",
    description: `The demo's source. Origin: ${ORIGIN.source}, ${ORIGIN.date}, ${ORIGIN.licence}.`,
    license: { name: ORIGIN.licence, identifier: "CC-BY-4.0" },
  },
  servers: [{ url: "/" }],
  paths: {
    "/municipalities": {
      get: {
        operationId: "listMunicipalities",
        summary: "Lists municipalities, by province and name.",
        parameters: [
          filter("province", "Only of this province, by name or code.", "Utrecht"),
          filter("name", "Only with this in their name, in either case.", "dam"),
        ],
        responses: {
          "200": json("The municipalities that were asked for.", "Municipalities"),
          "304": unchanged,
          "400": problem("A parameter is unknown or has a wrong value."),
        },
      },
    },
    "/municipalities/{code}": {
      get: {
        operationId: "getMunicipality",
        summary: "Gives one municipality.",
        parameters: [
          {
            name: "code",
            in: "path",
            required: true,
            description: 'The code of the municipality: "GM" and four digits.',
            schema: { type: "string" },
            example: "GM0344",
          },
        ],
        responses: {
          "200": json("The municipality.", "Municipality"),
          "304": unchanged,
          "404": problem("There is no municipality with this code."),
        },
      },
    },
    "/provinces": {
      get: {
        operationId: "listProvinces",
        summary: "Lists the provinces, by name.",
        responses: { "200": json("The provinces.", "Provinces"), "304": unchanged },
      },
    },
  },
  components: { schemas },
} as const;
