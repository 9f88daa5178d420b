/** About the exhibit: where its pictures come from, what it left out and why, who made what. */

import { exhibit, settings } from "../state";
import { day, said, t } from "../words";

export function AboutScene() {
  const { made, left_out: leftOut, pictures, photographs, net } = exhibit.value!;
  const { credits, complaint, pictures: own } = settings.value!;
  const sources = [...new Set([...own.map((item) => item.credit), ...pictures.map((item) => item.credit), ...photographs.map((item) => item.credit)])].filter(Boolean);
  return (
    <section class="scene about">
      <header class="scene-head">
        <h1>{t("about.title")}</h1>
        <p>{t("about.lead")}</p>
      </header>
      <div class="cards">
        <article class="panel">
          <h2>{t("about.privacy.title")}</h2>
          <p>{t("about.privacy")}</p>
        </article>
        <article class="panel">
          <h2>{t("about.pictures.title")}</h2>
          <ul class="plain">
            {sources.map((who) => (
              <li key={who}>{who}</li>
            ))}
            {sources.length === 0 && <li>{t("about.pictures.none")}</li>}
          </ul>
        </article>
        <article class="panel">
          <h2>{t("about.made.title")}</h2>
          <p>{t("about.made", { date: day(made.date.slice(0, 10)), version: made.version, name: net.name })}</p>
          <p>{t("about.software")}</p>
          {credits.map((line, index) => (
            <p key={index}>{said(line)}</p>
          ))}
        </article>
        {(leftOut.length > 0 || complaint) && (
          <article class="panel">
            <h2>{t("about.left.title")}</h2>
            <ul class="plain" lang="en">
              {leftOut.map((item) => (
                <li key={item.what}>{`${item.what}: ${item.why}`}</li>
              ))}
              {complaint && <li>{complaint}</li>}
            </ul>
          </article>
        )}
      </div>
    </section>
  );
}
