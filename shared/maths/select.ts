import { interpolateQuantile } from './quantile.ts';

/**
 * The value at a position of the ascending order (quickselect: Hoare, Algorithm 65, CACM 4(7), 1961), in linear time
 * on average. Reorders `values` so that nothing before `position` is larger and nothing after it smaller.
 *
 * @param values the first `count` of them are looked at
 * @param position from 0 to count − 1
 */
export function selectInPlace(values: Float64Array, count: number, position: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const pivot = medianOfThree(values[low]!, values[(low + high) >> 1]!, values[high]!);
    let left = low;
    let right = high;
    // Both scans stop at values equal to the pivot, so that many equal ones (zeros) are still split in half.
    while (left <= right) {
      while (values[left]! < pivot) left++;
      while (values[right]! > pivot) right--;
      if (left > right) break;
      const swapped = values[left]!;
      values[left++] = values[right]!;
      values[right--] = swapped;
    }
    if (position <= right) high = right;
    else if (position >= left) low = left;
    else break;
  }
  return values[position]!;
}

/**
 * A quantile by numpy's linear rule without sorting; the first `count` values are reordered.
 * @param fraction in [0, 1]
 */
export function selectQuantile(values: Float64Array, count: number, fraction: number): number {
  const position = Math.floor(fraction * (count - 1));
  const below = selectInPlace(values, count, position);
  return interpolateQuantile(count, fraction, (wanted) => {
    if (wanted === position) return below;
    let next = Number.POSITIVE_INFINITY;
    for (let i = wanted; i < count; i++) next = Math.min(next, values[i]!);
    return next;
  });
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
