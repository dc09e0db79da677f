import { HimplosError } from '../errors.ts';
import { applyLinearTo, type Linear } from '../maths/linear.ts';
import { BATCH_ROWS, type Batch, blockRows } from './contract.ts';

/** Rows as a source hands them over, any number at a time. Buffers may be reused for the next ones. */
export interface SourceRows {
  readonly rows: number;
  /** Global index of the first row. Indices rise; a row that was skipped leaves a gap. */
  readonly firstRow: number;
  /** rows × L, finite: sources check (see `requireFinite`), and nobody looks again here. */
  readonly features: Float32Array;
  /** Class indices, where the source has them; −1 where a row has none. */
  readonly labels?: Int32Array | undefined;
}

/** What receives the cut rows. */
export interface BatchSink {
  add(batch: Batch): void;
  endBlock(index: number): void;
}

/**
 * Cuts rows into the batches of `Batch`: at every multiple of BATCH_ROWS and at every gap, whatever portions they
 * arrive in. Checks them on the way: labels below C, rising indices.
 */
export class BatchCutter {
  readonly #head: Linear;
  readonly #sink: BatchSink;
  readonly #rowsPerBlock: number;
  readonly #endRow: number;
  /** Rows that wait for their batch to fill up. */
  readonly #features: Float32Array;
  readonly #labels = new Int32Array(BATCH_ROWS);
  #held = 0;
  /** Index after the last row that came. */
  #nextRow: number;
  #openBlock: number;
  readonly #wide: Float64Array;
  readonly #logits: Float64Array;

  /**
   * @param range rows that may come: `totalRows` of the whole source, and the part of it that is read (block
   * boundaries)
   */
  constructor(
    head: Linear,
    range: { readonly totalRows: number; readonly firstRow: number; readonly endRow: number },
    sink: BatchSink,
  ) {
    this.#head = head;
    this.#sink = sink;
    this.#rowsPerBlock = blockRows(range.totalRows, head.classes);
    this.#nextRow = range.firstRow;
    this.#endRow = range.endRow;
    this.#openBlock = range.firstRow / this.#rowsPerBlock;
    this.#features = new Float32Array(BATCH_ROWS * head.width);
    this.#wide = new Float64Array(BATCH_ROWS * head.width);
    this.#logits = new Float64Array(BATCH_ROWS * head.classes);
  }

  /** Takes rows. Throws `bad-input` for rows out of order or range, too few features, or foreign labels. */
  push(source: SourceRows): void {
    const { rows, firstRow, features, labels } = source;
    const { width } = this.#head;
    this.#check(source);
    if (firstRow !== this.#nextRow) this.#flush();
    this.#nextRow = firstRow;
    for (let at = 0; at < rows; ) {
      const room = BATCH_ROWS - (this.#nextRow % BATCH_ROWS);
      const taken = Math.min(room, rows - at);
      const part = features.subarray(at * width, (at + taken) * width);
      for (let i = 0; i < taken; i++) this.#labels[this.#held + i] = labels?.[at + i] ?? -1;
      if (this.#held === 0 && taken === room) {
        // A whole batch at once needs no copy.
        this.#nextRow += taken;
        this.#emit(part, taken);
      } else {
        this.#features.set(part, this.#held * width);
        this.#held += taken;
        this.#nextRow += taken;
        if (taken === room) this.#flush();
      }
      at += taken;
    }
  }

  /** No more rows: passes on what is left and ends every block of the range. */
  finish(): void {
    this.#flush();
    this.#endBlocksBefore(Math.ceil(this.#endRow / this.#rowsPerBlock));
  }

  #flush(): void {
    const rows = this.#held;
    this.#held = 0;
    if (rows > 0) this.#emit(this.#features, rows);
  }

  #emit(features: Float32Array, rows: number): void {
    const firstRow = this.#nextRow - rows;
    this.#endBlocksBefore(Math.floor(firstRow / this.#rowsPerBlock));
    let isComputed = false;
    this.#sink.add({
      rows,
      firstRow,
      features,
      labels: this.#labels,
      logits: () => {
        if (!isComputed) applyLinearTo(this.#head, features, rows, this.#wide, this.#logits);
        isComputed = true;
        return this.#logits;
      },
    });
  }

  #endBlocksBefore(block: number): void {
    while (this.#openBlock < block) this.#sink.endBlock(this.#openBlock++);
  }

  #check({ rows, firstRow, features, labels }: SourceRows): void {
    const { width, classes } = this.#head;
    if (firstRow < this.#nextRow || firstRow + rows > this.#endRow) {
      throw new HimplosError(
        'bad-input',
        `rows ${firstRow} to ${firstRow + rows - 1}: expected rows ${this.#nextRow} to ${this.#endRow - 1}`,
        { hint: 'the source changed while it was read' },
      );
    }
    if (features.length < rows * width) {
      throw new HimplosError(
        'bad-input',
        `expected ${rows} × ${width} features, got ${features.length} numbers`,
        {
          hint: 'features must come from the model whose head is used',
        },
      );
    }
    for (let i = 0; labels !== undefined && i < rows; i++) {
      const label = labels[i]!;
      if (label >= -1 && label < classes) continue;
      throw new HimplosError(
        'bad-input',
        `row ${firstRow + i}: expected a class index below ${classes}, got ${label}`,
        { hint: 'labels are positions among the logits, counted from 0' },
      );
    }
  }
}
