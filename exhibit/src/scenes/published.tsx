/** What was published in 2025, what was missing, and who wrote which half; facts of original/release.toml. */

import type { Release } from "../contract";
import { exhibit } from "../state";
import { day, number, t } from "../words";

const KINDS = ["header", "python", "extension", "build", "data"] as const;

export function Published() {
  const { release } = exhibit.value!;
  const code = release.missing.filter((item) => item.kind !== "data");
  const written = code.filter((item) => item.written);
  const gone = release.missing.filter((item) => !item.written);
  return (
    <div class="published">
      <article class="panel half-then">
        <h2>{t("published.there")}</h2>
        <p class="fact">
          <strong>{number(release.files)}</strong> {t("published.files")}
        </p>
        <p>{t("published.there.told", { date: day(release.announced), publisher: release.publisher })}</p>
        <Kinds kinds={release.kinds} />
        <p class="quiet">{t("published.licence", { licence: release.licence, holder: release.holder })}</p>
      </article>
      <article class="panel half-now">
        <h2>{t("published.written")}</h2>
        <p class="fact">
          <strong>{number(written.length)}</strong> {t("published.parts", { count: code.length })}
        </p>
        <p>{t("published.written.told")}</p>
        <Missing items={written} />
      </article>
      <article class="panel half-gone">
        <h2>{t("published.gone")}</h2>
        <p class="fact">
          <strong>{number(gone.length)}</strong> {t("published.things")}
        </p>
        <p>{t("published.gone.told")}</p>
        <Missing items={gone} />
      </article>
    </div>
  );
}

const BARS = 4;

function Kinds({ kinds }: { kinds: Release["kinds"] }) {
  const most = Math.max(...kinds.map((item) => item.files), 1);
  return (
    <ul class="kinds" lang="en">
      {kinds.slice(0, BARS).map((item) => (
        <li key={item.kind}>
          <span>{item.kind}</span>
          <span class="answer-share">{number(item.files)}</span>
          <span class="bar" aria-hidden="true">
            <span class="bar-filled" style={{ width: `${(item.files / most) * 100}%` }} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function Missing({ items }: { items: Release["missing"] }) {
  return (
    <ul class="plain">
      {KINDS.map((kind) => ({ kind, count: items.filter((item) => item.kind === kind).length }))
        .filter(({ count }) => count > 0)
        .map(({ kind, count }) => (
          <li key={kind}>
            {t(`published.kind.${kind}`)}: {number(count)}
          </li>
        ))}
    </ul>
  );
}
