import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TemplateError } from "../runtime/local/gateway/template/error.ts";
import { compileTemplate } from "../runtime/local/gateway/template/template.ts";
import { escapeJavaScript, parseDocument, urlEncode } from "../runtime/local/gateway/template/variables.ts";
import { engineTemplates } from "./velocity/engine-templates.ts";

function render(source: string, body = '{"a":"x","n":1.5,"l":[1],"o":{"k":"v"}}') {
  return compileTemplate("t", source).render({
    body,
    document: () => parseDocument(body),
    params: { header: new Map([["H", "v"]]), path: new Map(), querystring: new Map() },
    context: { requestId: "r", stage: "s" },
    stageVariables: {},
  });
}

test("every template of the stacks is sound, and so is every template of the comparison with Velocity", () => {
  const folder = join(import.meta.dirname, "../stacks/gateway");
  const files = readdirSync(folder).filter((file) => file.endsWith(".vtl"));
  assert.notEqual(files.length, 0);
  for (const file of files) compileTemplate(file, readFileSync(join(folder, file), "utf8"));
  for (const source of engineTemplates) compileTemplate(source, source);
});

const rendered: readonly (readonly [source: string, text: string])[] = [
  ["a##\nb", "ab"],
  ["x\n#set($a = 1)  \n  b$a", "x\n  b1"],
  ["#if(true)\nb\n#else\nc\n#end\nd", "b\nd"],
  ["#set($x = 5/2)$x", "2"],
  ["#set($x = -5/2)$x", "-2"],
  ["$input.path('$.a').length()", "1"],
  ["#set($a = '')#if($a)t#{else}f#end", "t"],
  ["#set($n = 'k')#set($n = $input.path('$.none'))$n", "k"],
  ["#set($n = $input.path('$.none'))$n|$!n|", "$n||"],
  ["#foreach($i in [1..3])$i#if($foreach.hasNext),#end#end", "1,2,3"],
  ["#if('1' == 1)t#end", "t"],
  ["${context.requestId}-$context.stage", "r-s"],
  ["$input.path('$.a').replaceAll('(x)', '<$1>')", "<x>"],
  [
    "#set($s = 'a,b,c')$s.lastIndexOf(',') $s.lastIndexOf(',', 2) $s.lastIndexOf('a', -1) $s.lastIndexOf('c', 9)",
    "3 1 -1 4",
  ],
  ["#set($s = 'a,b,c')$s.startsWith('b', 2) $s.startsWith('a', -1) $s.startsWith('', 9)", "true false false"],
  ["#set($s = 'a,b,c')#foreach($i in $s.split(',', 2))<$i>#end", "<a><b,c>"],
  [
    "#set($s = 'a,b,,')#foreach($i in $s.split(',', -1))<$i>#end|#foreach($i in $s.split(',', 0))<$i>#end",
    "<a><b><><>|<a><b>",
  ],
  ["#set($s = ',,')$s.split(',').size()#set($s = '')$s.split(',').size()", "01"],
  ["#set($s = 'a1b')#foreach($i in $s.split('([0-9])'))<$i>#end", "<a><b>"],
];

for (const [source, text] of rendered) {
  test(`renders ${JSON.stringify(source)} as Velocity does`, () => {
    assert.equal(render(source).text, text);
  });
}

const invalid: readonly (readonly [source: string, says: RegExp])[] = [
  ["a\n#if(true)\nb", /t, line 2: #if without its #end/],
  ["#foreach($i in [1])\n#end\n#end", /line 3: #end without its #if or #foreach/],
  ["#else", /#else without/],
  ["\n\n#macro(x)#end", /line 3: #macro/],
  ["#parse('x')", /#parse/],
  ["#esle", /#esle/],
  ["#elsex", /#elsex/],
  ["#[[x]]#", /#\[\[/],
  ["#* x", /#\* without its \*#/],
  ['#set($a = "x""y")', /"" in a string/],
  ["#set($a = 'it''s')", /'' in a string/],
  ['#set($a = "x)', /a string without its closing "/],
  ["#set($a = 1)\n$a-$a", /line 2: \$a-: .*\$\{a\}-/],
  ["$context.requestId-x", /\$context\.requestId-/],
  ["x #set($a = 1)", /a blank before #set/],
  ["#set($a 1)", /#set without =/],
  ["#set($a = 1", /#set\(\.\.\.: expected \)/],
  ["#set($a = 1.5)", /1\.5: decimal/],
  ["#set($a = null)", /null: expected a value/],
  ["#if('x')a#end", /a literal or a calculation as a condition/],
  ["#if(true and true)a#end", /expected \)/],
  ["\\$a", /a backslash before \$ or #/],
  ["$util.urlencode('a')", /\$util has no method urlencode/],
  ["$util.urlEncode()", /takes 1 arguments, not 0/],
  ["$util.now", /\$util has no now/],
  ["$input.Body", /\$input has no Body/],
  ["$input.xpath('a')", /\$input has no method xpath/],
  ["$input.path('$..a')", /\$\.\.a is none of the JSON paths/],
  ["$context.requestID", /\$context has no requestID/],
  ["$context.identity.cognitoId", /\$context\.identity/],
  ["$foo", /nothing sets \$foo/],
  ['#set($a = "$foo")', /nothing sets \$foo/],
  ["#set($context.status = 1)", /can be set/],
  ["#set($input = 1)", /can be set/],
  ["$input", /names an object of API Gateway/],
  ["#foreach($i in [1])$foreach.counter#end", /\$foreach has no counter/],
];

for (const [source, says] of invalid) {
  test(`refuses ${JSON.stringify(source)}`, () => {
    assert.throws(
      () => compileTemplate("t", source),
      (error: unknown) => {
        assert(error instanceof TemplateError);
        assert.equal(error.code, "TEMPLATE_INVALID");
        assert.match(error.message, says);
        return true;
      },
    );
  });
}

const failing: readonly (readonly [source: string, says: RegExp])[] = [
  ["a\n$input.path('$.a').shout()", /line 2: .*String\.shout: no such method/],
  ["$input.path('$.l').push(1)", /List\.push/],
  ["$input.path('$.o').entries()", /Map\.entries/],
  ["$input.path('$.n')", /a number with a fraction/],
  ["$input.path('$.l')", /printing a list/],
  ["$util.urlEncode(1)", /\$util\.urlEncode: takes \(string\), not \(integer\)/],
  ["$input.path('$.a').trim('q')", /String\.trim: takes \(\), not \(string\)/],
  ["$input.path('$.a').lastIndexOf(',', '2')", /String\.lastIndexOf: takes \(string\) or \(string, integer\)/],
  ["$input.path('$.a').indexOf(120)", /String\.indexOf: takes .*, not \(integer\)/],
  ["$input.path('$.a').split(',', 2, 3)", /String\.split: takes .*, not \(string, integer, integer\)/],
  ["$input.path('$.a').startsWith()", /String\.startsWith: takes .*, not \(\)/],
  ["$input.path('$.a').replace('a')", /String\.replace: takes \(string, string\), not \(string\)/],
  ["$input.path('$.a').contains($input.path('$.none'))", /String\.contains: takes \(string\), not \(null\)/],
  ["$input.path('$.a').substring($input.path('$.n'))", /String\.substring: .*not \(number\)/],
  ["$input.path('$.l').get('0')", /List\.get: takes \(integer\), not \(string\)/],
  ["$input.path('$.l').size(1)", /List\.size: takes \(\), not \(integer\)/],
  ["$input.path('$.l').contains($input.path('$.o'))", /List\.contains: .*not \(map\)/],
  ["$input.path('$.o').get(1)", /Map\.get: takes \(string\), not \(integer\)/],
  ["$input.path('$.o').keySet('k')", /Map\.keySet: takes \(\), not \(string\)/],
  ["#foreach($e in $input.path('$.o').entrySet())$e.getKey(1)#end", /Map\.Entry\.getKey: takes \(\)/],
  ["$input.path('$.n').toString(16)", /Number\.toString: takes \(\), not \(integer\)/],
  ["#set($s = 'ab')$s.split('(?=b)').size()", /String\.split: a pattern that matches nothing/],
  ["$input.path('$.a').matches('x++')", /possessive/],
  ["$input.path('$.a').matches('[a&&b]')", /&&/],
  ["$input.path('$.a').substring(9)", /out of range/],
  ["$util.parseJson('{')", /no JSON/],
  ["#set($x = $input.path('$.none') + 1)", /\+ of something that is no number/],
  ["#set($context.responseOverride.status = 1)#set($context.responseOverride.status = 2)", /only once/],
];

for (const [source, says] of failing) {
  test(`fails while rendering ${JSON.stringify(source)}`, () => {
    assert.throws(
      () => render(source),
      (error: unknown) => {
        assert(error instanceof TemplateError);
        assert.equal(error.code, "TEMPLATE_FAILED");
        assert.match(error.message, says);
        return true;
      },
    );
  });
}

test("urlEncode is Java's", () => {
  assert.equal(urlEncode("a b&=%+.-*_~!'()/é😀\n"), "a+b%26%3D%25%2B.-*_%7E%21%27%28%29%2F%C3%A9%F0%9F%98%80%0A");
  assert.equal(urlEncode("a\ud83db"), "a%3Fb");
});

test("escapeJavaScript is commons-lang's", () => {
  assert.equal(
    escapeJavaScript(`"'\\/\n\b\u0001é😀\u2028\u007f`),
    `\\"\\'\\\\\\/\\n\\b\\u0001\\u00E9\\uD83D\\uDE00\\u2028\u007f`,
  );
});
