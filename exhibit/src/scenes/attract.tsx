/** While nobody is there: pictures one after the other with what the network says, until somebody touches the screen. */

import { useEffect, useState } from "preact/hooks";

import { share } from "../parts/answers";
import { SquareView } from "../parts/squares";
import { best, type Guess } from "../network";
import { planes } from "../pictures";
import { resting } from "../kiosk";
import { choices, choose, network, settings, subject } from "../state";
import { said, t } from "../words";

const SECONDS = 5;

export function Attract() {
  const [turn, setTurn] = useState(0);
  const [guess, setGuess] = useState<Guess | null>(null);
  const engine = network.value;
  const now = subject.value;
  useEffect(() => {
    const timer = setInterval(() => setTurn((old) => old + 1), SECONDS * 1000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    const all = choices.value;
    if (all.length) void choose(all[turn % all.length]!);
  }, [turn]);
  useEffect(() => {
    if (!engine || !now) return;
    let wanted = true;
    void engine.answers(planes([now.seen])).then(([answer]) => wanted && setGuess(best(engine.net, answer!, 1)[0]!));
    return () => {
      wanted = false;
    };
  }, [engine, now]);
  return (
    <main class="attract">
      <button type="button" class="attract-all" onClick={() => (resting.value = false)}>
        <span class="attract-title">{said(settings.value!.title) || t("title")}</span>
        <span class="attract-line">{t("attract.line")}</span>
        <span class="attract-pictures" aria-hidden="true">
          {now && <SquareView square={now.large} smooth label="" />}
          {now && <SquareView square={now.seen} label="" />}
        </span>
        <span class="attract-guess" aria-hidden="true">{guess ? `${guess.name}, ${share(guess.probability)}` : " "}</span>
        <span class="attract-touch">{t("attract.touch")}</span>
      </button>
    </main>
  );
}
