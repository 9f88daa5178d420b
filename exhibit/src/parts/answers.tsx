/** The five best guesses as bars: name and percentage above each bar, never on it. */

import type { Guess } from "../network";
import { percent, t } from "../words";

interface Props {
  guesses: Guess[];
  /** Class that is right, where it is known. */
  truth: number | null;
  /** Probabilities by class from before a change: a mark on each bar. */
  before?: ArrayLike<number>;
  label: string;
}

/** "93 %"; what is above nothing and rounds to it is said to be less than one. */
export function share(probability: number): string {
  return probability > 0 && probability < 0.005 ? `< ${percent(0.01)}` : percent(probability);
}

export function Answers({ guesses, truth, before, label }: Props) {
  return (
    <ol class="answers" aria-label={label}>
      {guesses.map((guess, index) => (
        <li key={index} class={guess.class === truth ? "right" : ""}>
          <span class="answer-name">
            {guess.name}
            {guess.class === truth && <span class="tick" role="img" aria-label={t("answer.right")}>✓</span>}
          </span>
          <span class="answer-share">{share(guess.probability)}</span>
          <span class="bar" aria-hidden="true">
            <span class="bar-filled" style={{ width: `${guess.probability * 100}%` }} />
            {before && <span class="bar-before" style={{ left: `${(before[guess.class] ?? 0) * 100}%` }} />}
          </span>
        </li>
      ))}
    </ol>
  );
}
