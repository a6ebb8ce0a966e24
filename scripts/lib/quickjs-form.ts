/**
 * Gives a bundle the form that QuickJS runs soonest, which means the same and has every line where it was, so that line tables and
 * stacks stay right. QuickJS looks before each use of a `let` whether it has been reached, and counts it up in a slow way; it looks
 * `Infinity` up among the global names; and a constant of a module is a cell that each function has to carry.
 */
import ts from "typescript";

/** What is put in the place of a range of the text. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Where a name is used in a function, and whether functions within it use it, too. */
interface Uses {
  first: number;
  last: number;
  nested: boolean;
}

/** A `let` or `const` of a function that may become a `var`. */
interface Candidate {
  readonly list: ts.VariableDeclarationList;
  readonly names: readonly string[];
  /** Where the names can be seen. */
  readonly scope: ts.Node;
  readonly looped: boolean;
}

/** What is known of a function while it is walked. */
class Scope {
  /** Declarations by name, in all of its blocks. */
  readonly declared = new Map<string, number>();
  readonly uses = new Map<string, Uses>();
  readonly candidates: Candidate[] = [];

  declare(name: string): void {
    this.declared.set(name, (this.declared.get(name) ?? 0) + 1);
  }

  use(name: string, at: number, nested: boolean): void {
    const uses = this.uses.get(name);
    if (uses === undefined) {
      this.uses.set(name, { first: at, last: at, nested });
      return;
    }
    uses.first = Math.min(uses.first, at);
    uses.last = Math.max(uses.last, at);
    uses.nested ||= nested;
  }
}

/** A constant of the module, and where it stands. */
interface Constant {
  readonly statement: ts.VariableStatement;
  readonly value: number;
  readonly uses: ts.Identifier[];
}

/** @param source an ES module as esbuild prints one */
export function quickJsForm(source: string): string {
  return apply(source, new Form(source).edits());
}

class Form {
  readonly #file: ts.SourceFile;
  readonly #edits: Edit[] = [];
  /** From the outermost function to the one that is walked. */
  readonly #scopes: Scope[] = [];
  readonly #constants = new Map<string, Constant>();
  /** Names that are declared anywhere but as a constant. */
  readonly #others = new Set<string>();

  constructor(source: string) {
    this.#file = ts.createSourceFile("bundle.js", source, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS);
  }

  edits(): readonly Edit[] {
    for (const statement of this.#file.statements) this.#findConstant(statement);
    ts.forEachChild(this.#file, (node) => this.#walk(node, this.#file, false));
    for (const [name, constant] of this.#constants) if (!this.#others.has(name)) this.#inline(constant);
    return this.#edits;
  }

  #replace(node: ts.Node, text: string): void {
    this.#edits.push({ start: node.getStart(this.#file), end: node.end, text });
  }

  #walk(node: ts.Node, scope: ts.Node, looped: boolean): void {
    if (ts.isIdentifier(node)) return this.#identifier(node);
    if (isFunction(node)) return this.#function(node);
    this.#increment(node);
    if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.BlockScoped) !== 0) {
      const names: string[] = [];
      for (const { name } of node.declarations) collectNames(name, names);
      this.#scopes.at(-1)?.candidates.push({ list: node, names, scope, looped });
    }
    const loop = ts.isIterationStatement(node, false);
    const within = loop || ts.isBlock(node) || ts.isCaseBlock(node) ? node : scope;
    ts.forEachChild(node, (child) => this.#walk(child, within, looped || loop));
  }

  /** What a function declares is its own; what it uses may be of those around it. */
  #function(node: ts.Node): void {
    this.#scopes.push(new Scope());
    ts.forEachChild(node, (child) => this.#walk(child, node, false));
    const scope = this.#scopes.pop()!;
    if (ts.isFunctionLike(node)) for (const candidate of scope.candidates) this.#lower(candidate, scope);
  }

  #identifier(node: ts.Identifier): void {
    const { parent, text } = node;
    if (isPropertyName(node, parent)) return;
    const innermost = this.#scopes.length - 1;
    for (let depth = 0; depth <= innermost; depth++) this.#scopes[depth]!.use(text, node.pos, depth < innermost);
    if (isDeclarationName(node, parent)) {
      // The name of a function that is declared belongs to what is around it, where it is walked as part of the function.
      const outer = ts.isFunctionDeclaration(parent) ? innermost - 1 : innermost;
      this.#scopes[outer]?.declare(text);
      if (!this.#isConstant(text, parent)) this.#others.add(text);
    } else if (text === "Infinity") this.#replace(node, "1e400");
    else this.#constants.get(text)?.uses.push(node);
  }

  #isConstant(name: string, declaration: ts.Node): boolean {
    return this.#constants.get(name)?.statement === declaration.parent.parent;
  }

  /** A `let` that no closure of a loop has, that nothing else is called, and that begins with a value where it would begin anew. */
  #lower({ list, names, scope, looped }: Candidate, of: Scope): void {
    const each = ts.isForOfStatement(list.parent) || ts.isForInStatement(list.parent);
    if (looped && !each && list.declarations.some(({ initializer }) => initializer === undefined)) return;
    // A loop's own variables are made anew for each round, too.
    const closable = looped || ts.isIterationStatement(list.parent, false);
    for (const name of names) {
      const uses = of.uses.get(name);
      if (of.declared.get(name) !== 1 || uses === undefined) return;
      if (uses.first < scope.pos || uses.last >= scope.end || (uses.nested && closable)) return;
    }
    const start = list.getStart(this.#file);
    const word = (list.flags & ts.NodeFlags.Const) !== 0 ? "const" : "let";
    this.#edits.push({ start, end: start + word.length, text: "var" });
  }

  /** `this.#x++` whose value nobody wants: with the sign in front it need not be kept. */
  #increment(node: ts.Node): void {
    if (!ts.isPostfixUnaryExpression(node)) return;
    const { parent, operand, operator } = node;
    const unused = ts.isExpressionStatement(parent) || (ts.isForStatement(parent) && parent.incrementor === node);
    if (!unused || !ts.isPropertyAccessExpression(operand)) return;
    const sign = operator === ts.SyntaxKind.PlusPlusToken ? "++" : "--";
    const start = node.getStart(this.#file);
    this.#edits.push({ start, end: start, text: sign }, { start: node.end - sign.length, end: node.end, text: "" });
  }

  #findConstant(statement: ts.Statement): void {
    if (!ts.isVariableStatement(statement) || statement.declarationList.declarations.length !== 1) return;
    const { name, initializer } = statement.declarationList.declarations[0]!;
    if (!ts.isIdentifier(name) || initializer === undefined || this.#constants.has(name.text)) return;
    const value = this.#valueOf(initializer);
    if (value === undefined) return;
    this.#constants.set(name.text, { statement, value, uses: [] });
  }

  /** The number that an expression of numbers and constants is, if it is a whole one. */
  #valueOf(node: ts.Expression): number | undefined {
    if (ts.isParenthesizedExpression(node)) return this.#valueOf(node.expression);
    if (ts.isNumericLiteral(node)) return whole(Number(node.text));
    if (ts.isIdentifier(node)) return this.#constants.get(node.text)?.value;
    if (ts.isPrefixUnaryExpression(node)) {
      const value = this.#valueOf(node.operand);
      const { operator } = node;
      if (value === undefined) return undefined;
      if (operator === ts.SyntaxKind.MinusToken) return whole(-value);
      return operator === ts.SyntaxKind.TildeToken ? ~value : undefined;
    }
    if (!ts.isBinaryExpression(node)) return undefined;
    const left = this.#valueOf(node.left);
    const right = this.#valueOf(node.right);
    const operation = OPERATIONS[node.operatorToken.getText(this.#file)];
    return left === undefined || right === undefined ? undefined : whole(operation?.(left, right));
  }

  /** Put a constant where it is used, unless it is none, or something is done with it that cannot be done with a number. */
  #inline({ statement, value, uses }: Constant): void {
    for (const use of uses) if (isAssigned(use) || !mayBeNumber(use.parent)) return;
    this.#replace(statement, "");
    for (const use of uses) this.#replace(use, value < 0 ? `(${value})` : String(value));
  }
}

const OPERATIONS: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "**": (a, b) => a ** b,
  "|": (a, b) => a | b,
  "&": (a, b) => a & b,
  "^": (a, b) => a ^ b,
  "<<": (a, b) => a << b,
  ">>": (a, b) => a >> b,
  ">>>": (a, b) => a >>> b,
};

/** A number that its decimal digits say exactly. */
function whole(value: number | undefined): number | undefined {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : undefined;
}

function mayBeNumber(parent: ts.Node): boolean {
  const named = ts.isShorthandPropertyAssignment(parent) || ts.isExportSpecifier(parent);
  return !named && !ts.isPropertyAccessExpression(parent);
}

/** Whether a name is given a value here, also as part of a pattern. */
function isAssigned(use: ts.Identifier): boolean {
  const { parent } = use;
  if (ts.isPostfixUnaryExpression(parent)) return true;
  if (ts.isPrefixUnaryExpression(parent)) {
    return parent.operator === ts.SyntaxKind.PlusPlusToken || parent.operator === ts.SyntaxKind.MinusMinusToken;
  }
  let target: ts.Node = use;
  while (isPattern(target.parent)) target = target.parent;
  if (ts.isForOfStatement(target.parent) || ts.isForInStatement(target.parent))
    return target.parent.initializer === target;
  if (!ts.isBinaryExpression(target.parent) || target.parent.left !== target) return false;
  const { kind } = target.parent.operatorToken;
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

function isPattern(node: ts.Node): boolean {
  return (
    ts.isArrayLiteralExpression(node) ||
    ts.isObjectLiteralExpression(node) ||
    ts.isPropertyAssignment(node) ||
    ts.isSpreadElement(node) ||
    ts.isSpreadAssignment(node) ||
    ts.isParenthesizedExpression(node)
  );
}

/** What has variables of its own. */
function isFunction(node: ts.Node): boolean {
  return ts.isFunctionLike(node) || ts.isPropertyDeclaration(node) || ts.isClassStaticBlockDeclaration(node);
}

function isPropertyName(node: ts.Identifier, parent: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  const named = ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent) || ts.isMethodDeclaration(parent);
  return (named || ts.isAccessor(parent)) && parent.name === node;
}

function isDeclarationName(node: ts.Identifier, parent: ts.Node): boolean {
  const declares =
    ts.isVariableDeclaration(parent) ||
    ts.isParameter(parent) ||
    ts.isBindingElement(parent) ||
    ts.isFunctionDeclaration(parent) ||
    ts.isFunctionExpression(parent) ||
    ts.isClassDeclaration(parent) ||
    ts.isClassExpression(parent);
  return declares && parent.name === node;
}

function collectNames(name: ts.BindingName, into: string[]): void {
  if (ts.isIdentifier(name)) into.push(name.text);
  else for (const element of name.elements) if (!ts.isOmittedExpression(element)) collectNames(element.name, into);
}

function apply(source: string, edits: readonly Edit[]): string {
  const sorted = [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
  let text = "";
  let at = 0;
  for (const edit of sorted) {
    // A constant may stand in another's declaration, which is gone.
    if (edit.start < at) continue;
    text += source.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return text + source.slice(at);
}
